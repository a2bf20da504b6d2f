#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kubeconfigs as the real kubectl reads them: which files are read, how they are merged, what is chosen and which server is trusted."""
from kube_cases import choices, files_and_lists, forms, trust
from kube_compare import main

if __name__ == "__main__":
    main(choices, files_and_lists, forms, trust)
