"""Writes large.csv: 500 invented positions in ten accounts, Fidelity's shape.

Usage: python3 make_large.py > large.csv
The numbers come from counters and the date is fixed: always the same file.
"""
import decimal

D = decimal.Decimal
HEADER = (
    "Account Number,Account Name,Symbol,Description,Quantity,Last Price,"
    "Last Price Change,Current Value,Today's Gain/Loss Dollar,"
    "Today's Gain/Loss Percent,Total Gain/Loss Dollar,"
    "Total Gain/Loss Percent,Percent Of Account,Cost Basis Total,"
    "Average Cost Basis,Type"
)

print(HEADER)
for account in range(10):
    for number in range(50):
        letters = "".join(chr(65 + number // d % 26) for d in (26, 1))
        symbol = f"X{chr(65 + account)}{letters}"
        quantity = D(1 + number) + D(account) / 8
        price = D(1000 + 37 * number + 11 * account) / 100
        value = (quantity * price).quantize(D("0.01"), decimal.ROUND_HALF_UP)
        print(
            f"Y{account:08},Account {account},{symbol},INVENTED {symbol} INC,"
            f"{quantity},${price},$0.00,${value},,,,,,,,Cash"
        )
print('\n"Date downloaded 11/20/2026 4:41 PM ET"')
