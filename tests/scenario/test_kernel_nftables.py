# SPDX-License-Identifier: GPL-2.0-or-later
"""The Linux kernel as the judge of nftables: see kernel_main.py."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kernel_main  # noqa: E402
import kernel_nftables_run  # noqa: E402

if __name__ == "__main__":
    kernel_main.main(kernel_nftables_run.Backend())
