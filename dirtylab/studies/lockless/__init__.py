"""What lockless inserts and harvests cost: recorded, summed up, reported, drawn."""
