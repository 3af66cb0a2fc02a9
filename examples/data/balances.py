#!/usr/bin/env python3
"""The balances that transfers.csv must lead to: `python3 balances.py transfers.csv` prints id,cents."""
import csv, sys

balances = {f"acc-{number:04}": 1_000_000 for number in range(5_000)}
for row in csv.DictReader(open(sys.argv[1], newline="")):
    sender, receiver, cents = row["from"], row["to"], int(row["cents"])
    if sender in balances and receiver in balances and sender != receiver and cents > 0:
        balances[sender] -= cents
        balances[receiver] += cents
for account in sorted(balances):
    print(f"{account},{balances[account]}")
