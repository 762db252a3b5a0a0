data "aws_iam_policy_document" "trimtab_apply" {
  # ec2:ModifyVolume: sets type, IOPS and throughput; the size is never sent
  statement {
    sid       = "Ec2ApplyVolume"
    effect    = "Allow"
    actions   = ["ec2:ModifyVolume"]
    resources = ["arn:aws:ec2:*:*:volume/*"]
  }

  # whatever carries the tag trimtab:exclude, with any value, is left alone
  statement {
    sid       = "Excluded"
    effect    = "Deny"
    actions   = ["ec2:ModifyVolume"]
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
    actions   = ["ec2:DeleteSnapshot", "ec2:DeleteVolume"]
    resources = ["*"]
  }
}
