data "aws_iam_policy_document" "trimtab_read" {
  # autoscaling:DescribeAutoScalingGroups: finds groups and members
  statement {
    sid       = "AutoscalingRead"
    effect    = "Allow"
    actions   = ["autoscaling:DescribeAutoScalingGroups"]
    resources = ["*"]
  }

  # cloudwatch:GetMetricData: the metrics themselves; AWS bills these calls
  # cloudwatch:ListMetrics: whether an agent reports memory
  # cloudwatch:DescribeAlarms: alarms that stop a change or are disturbed by it
  statement {
    sid       = "CloudwatchRead"
    effect    = "Allow"
    actions   = ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "cloudwatch:ListMetrics"]
    resources = ["*"]
  }

  # ec2:DescribeInstances: finds instances, their tags, type and state
  # ec2:DescribeInstanceStatus: status checks and scheduled events
  # ec2:DescribeInstanceAttribute: stop and termination protection
  # ec2:DescribeInstanceTypes: what each type offers
  # ec2:DescribeInstanceTypeOfferings: whether a zone has the type
  # ec2:DescribeVolumes: finds volumes, their type, size and attachments
  # Escalation: ec2:DescribeInstanceAttribute: it also reads user data, where people leave secrets; IAM cannot limit it to the two protections
  statement {
    sid       = "Ec2Read"
    effect    = "Allow"
    actions   = ["ec2:DescribeInstanceAttribute", "ec2:DescribeInstanceStatus", "ec2:DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypes", "ec2:DescribeInstances", "ec2:DescribeVolumes"]
    resources = ["*"]
  }

  # elasticloadbalancing:DescribeTargetGroups: which groups send it requests
  # elasticloadbalancing:DescribeTargetHealth: whether others can take over
  # elasticloadbalancing:DescribeTargetGroupAttributes: how long a target is drained
  statement {
    sid       = "ElasticloadbalancingRead"
    effect    = "Allow"
    actions   = ["elasticloadbalancing:DescribeTargetGroupAttributes", "elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth"]
    resources = ["*"]
  }

  # servicequotas:GetServiceQuota: whether more vCPUs may run
  statement {
    sid       = "ServicequotasRead"
    effect    = "Allow"
    actions   = ["servicequotas:GetServiceQuota"]
    resources = ["*"]
  }
}
