data "aws_iam_policy_document" "trimtab_apply" {
  # autoscaling:UpdateAutoScalingGroup: sets the bounds; IAM cannot limit it to those
  # autoscaling:PutScheduledUpdateGroupAction: schedules a floor
  # autoscaling:DeleteScheduledAction: takes a schedule back
  # Escalation: autoscaling:UpdateAutoScalingGroup: it can also change what the group launches, which needs ec2:RunInstances and iam:PassRole beside it
  statement {
    sid       = "AutoscalingApplyGroup"
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

  # Trimtab never deletes these, or deletes are not switched on
  statement {
    sid       = "NoDeletes"
    effect    = "Deny"
    actions   = ["autoscaling:DeleteAutoScalingGroup", "autoscaling:TerminateInstanceInAutoScalingGroup", "ec2:DeleteLaunchTemplate", "ec2:DeleteLaunchTemplateVersions", "ec2:TerminateInstances"]
    resources = ["*"]
  }
}
