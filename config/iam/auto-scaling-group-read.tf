data "aws_iam_policy_document" "trimtab_read" {
  # autoscaling:DescribeAutoScalingGroups: finds groups and members
  # autoscaling:DescribePolicies: whether somebody else scales the group
  # autoscaling:DescribeScheduledActions: what is scheduled already
  # autoscaling:DescribeScalingActivities: whether the group is busy
  # autoscaling:DescribeInstanceRefreshes: whether a refresh is under way
  statement {
    sid       = "AutoscalingRead"
    effect    = "Allow"
    actions   = ["autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeInstanceRefreshes", "autoscaling:DescribePolicies", "autoscaling:DescribeScalingActivities", "autoscaling:DescribeScheduledActions"]
    resources = ["*"]
  }

  # cloudwatch:GetMetricData: the metrics themselves; AWS bills these calls
  # cloudwatch:DescribeAlarms: alarms that stop a change or are disturbed by it
  statement {
    sid       = "CloudwatchRead"
    effect    = "Allow"
    actions   = ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData"]
    resources = ["*"]
  }

  # ec2:DescribeInstanceTypes: what each type offers
  # ec2:DescribeInstanceTypeOfferings: whether a zone has the type
  # ec2:DescribeLaunchTemplateVersions: what a group launches
  statement {
    sid       = "Ec2Read"
    effect    = "Allow"
    actions   = ["ec2:DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypes", "ec2:DescribeLaunchTemplateVersions"]
    resources = ["*"]
  }
}
