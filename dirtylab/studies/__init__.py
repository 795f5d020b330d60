"""Studies: each records, judges and reports one question, and draws its figures."""
