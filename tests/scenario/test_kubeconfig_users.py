#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kubeconfigs as the real kubectl reads them: who asks and by which way: users, servers and proxies, plugins, a pod's own account."""
from kube_cases import accounts, plugins, servers, users
from kube_compare import main

if __name__ == "__main__":
    main(accounts, plugins, servers, users)
