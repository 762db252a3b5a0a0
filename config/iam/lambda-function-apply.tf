data "aws_iam_policy_document" "trimtab_apply" {
  # lambda:UpdateFunctionConfiguration: sets the memory; IAM cannot limit it to that
  statement {
    sid       = "LambdaApply"
    effect    = "Allow"
    actions   = ["lambda:UpdateFunctionConfiguration"]
    resources = ["arn:aws:lambda:*:*:function:*"]
  }

  # whatever carries the tag trimtab:exclude, with any value, is left alone
  statement {
    sid       = "Excluded"
    effect    = "Deny"
    actions   = ["lambda:UpdateFunctionConfiguration"]
    resources = ["*"]

    condition {
      test     = "Null"
      variable = "aws:ResourceTag/trimtab:exclude"
      values   = ["false"]
    }
  }
}
