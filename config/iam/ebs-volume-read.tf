data "aws_iam_policy_document" "trimtab_read" {
  # cloudwatch:GetMetricData: the metrics themselves; AWS bills these calls
  # cloudwatch:DescribeAlarms: alarms that stop a change or are disturbed by it
  statement {
    sid       = "CloudwatchRead"
    effect    = "Allow"
    actions   = ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData"]
    resources = ["*"]
  }

  # ec2:DescribeInstances: finds instances, their tags, type and state
  # ec2:DescribeVolumes: finds volumes, their type, size and attachments
  # ec2:DescribeVolumesModifications: whether a modification is under way
  # ec2:DescribeSnapshots: finds the snapshot that a change took
  statement {
    sid       = "Ec2Read"
    effect    = "Allow"
    actions   = ["ec2:DescribeInstances", "ec2:DescribeSnapshots", "ec2:DescribeVolumes", "ec2:DescribeVolumesModifications"]
    resources = ["*"]
  }
}
