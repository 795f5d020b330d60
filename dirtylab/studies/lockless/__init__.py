"""The study of what lockless inserts and harvests cost."""
