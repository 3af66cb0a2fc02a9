#!/usr/bin/env python3
"""Makes transfers.csv, the input of the bank example: the same bytes on every machine.

    python3 make_transfers.py > transfers.csv

100,000 transfers between 5,000 accounts, `acc-0000` to `acc-4999`. About one in ten goes to one of 20
shops, so that some accounts are busier than others. 2,000 rows must be rejected, each for exactly one
reason, and none of the reasons depends on the order of the rows: an account that does not exist (on
either side), an amount of zero or below, both sides the same.
"""

import random
import sys

ROWS = 100_000
ACCOUNTS = 5_000
SHOPS = 20
# Named so that whatever compares names loosely (case, blanks, number of digits) gets them wrong.
UNKNOWN = ["acc-5000", "acc-9999", "acc-00001", "acc-1", "ACC-0001", "acc-0001 ", "acc_0001", "bob"]
REJECTED = {"unknown-sender": 400, "unknown-receiver": 400, "zero": 400, "negative": 400, "same": 400}


class Source:
    """Random numbers; only `random()` of the standard generator is the same in every version."""

    def __init__(self, seed):
        self.generator = random.Random(seed)

    def below(self, bound):
        return int(self.generator.random() * bound)

    def account(self):
        return f"acc-{self.below(ACCOUNTS):04}"

    def pick(self, items):
        return items[self.below(len(items))]


def transfer(source):
    """A row that is accepted: sender, receiver, cents."""
    sender = source.account()
    receiver = sender
    while receiver == sender:
        to_shop = source.below(10) == 0
        receiver = f"acc-{source.below(SHOPS):04}" if to_shop else source.account()
    return sender, receiver, 1 + source.below(50_000)


def spoil(source, row, reason):
    """The row with the one fault that `reason` names."""
    sender, receiver, cents = row
    if reason == "unknown-sender":
        return source.pick(UNKNOWN), receiver, cents
    if reason == "unknown-receiver":
        return sender, source.pick(UNKNOWN), cents
    if reason == "zero":
        return sender, receiver, 0
    if reason == "negative":
        return sender, receiver, -cents
    return sender, sender, cents


def main():
    source = Source("transfers")
    reasons = [reason for reason, count in REJECTED.items() for _ in range(count)]
    faults = {}
    while reasons:
        number = source.below(ROWS)
        if number not in faults:
            faults[number] = reasons.pop()
    out = ["id,from,to,cents"]
    for number in range(ROWS):
        row = transfer(source)
        if number in faults:
            row = spoil(source, row, faults[number])
        sender, receiver, cents = row
        out.append(f"t-{number:06},{sender},{receiver},{cents}")
    sys.stdout.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
