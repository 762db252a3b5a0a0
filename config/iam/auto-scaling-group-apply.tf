data "aws_iam_policy_document" "trimtab_apply" {
  # autoscaling:UpdateAutoScalingGroup: sets the bounds; IAM cannot limit it to those
  # autoscaling:PutScheduledUpdateGroupAction: schedules a floor
  # autoscaling:DeleteScheduledAction: takes a schedule back
  statement {
    sid       = "AutoscalingApply"
    effect    = "Allow"
    actions   = ["autoscaling:DeleteScheduledAction", "autoscaling:PutScheduledUpdateGroupAction", "autoscaling:UpdateAutoScalingGroup"]
    resources = ["arn:aws:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/*"]
  }

  # whatever carries the tag trimtab:exclude, with any value, is left alone
  statement {
    sid       = "Excluded"
    effect    = "Deny"
    actions   = ["autoscaling:DeleteScheduledAction", "autoscaling:PutScheduledUpdateGroupAction", "autoscaling:UpdateAutoScalingGroup"]
    resources = ["*"]

    condition {
      test     = "Null"
      variable = "aws:ResourceTag/trimtab:exclude"
      values   = ["false"]
    }
  }
}
