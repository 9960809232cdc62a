"""store_contract.py PROGRAM: the suite of every store, through the Data API.

The program finds a store URL in ALEX_TEST_STORE; its requests are signed, and the
signatures are checked.
"""
import os
import subprocess
import sys

import gateway

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}


def main():
    server = gateway.Server()
    try:
        front = gateway.Gateway(server, **KEYS)
        env = {**os.environ, **KEYS, "AWS_ENDPOINT_URL_RDS_DATA": front.url,
               "ALEX_TEST_STORE": f"rds-data://{gateway.CLUSTER}?secret="
                                  f"{gateway.SECRET}&database=alex"}
        code = subprocess.run([sys.argv[1]], env=env).returncode
        code = front.close() or code
    finally:
        server.close()
    sys.exit(code)


if __name__ == "__main__":
    main()
