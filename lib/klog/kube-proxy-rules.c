/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kube-proxy and the programs that write rules: iptables (pkg/util/iptables, pkg/proxy/iptables and what ipvs mode does with it) and nft
 * (pkg/proxy/nftables).
 */
#include "kube-proxy-private.h"

#define ASK_LOCK "find who holds /run/xtables.lock: grep FLOCK /proc/locks"

static const struct log_row rows[] = {
	/* ---- iptables ---- */
	WARN("iptables-version-unknown", "xtables-lock-contention", TOPIC_START, "iptables did not tell its version", ASK_LOCK, .flags = ROW_START,
	     FORMS(F("1.12-1.26", "Error checking iptables version, assuming version at least %n"),
		   F("1.27-1.32", "Error checking iptables version, assuming version at least"))),
	WARN("lock-not-closed", "xtables-lock-contention", TOPIC_SYNC, "the lock of iptables could not be given back", ASK_LOCK,
	     FORMS(F("1.12-1.36", "Failed to close iptables locks"))),
	ERR("rules-flushed", "rules-flushed-by-other", TOPIC_SYNC, "another program removed all rules; kube-proxy writes its own anew",
	    "find out which program flushes iptables: firewalld, docker, a script",
	    FORMS(F("1.12-1.16", "reloading iptables rules"), F("1.17-1.26", "iptables canary %n deleted"), F("1.17-1.36", "Inconsistent iptables state detected"),
		  F("1.17-1.36", "Reloading after iptables flush"), F("1.27-1.36", "IPTables canary deleted"))),
	ERR("canary-failed", "xtables-lock-contention", TOPIC_SYNC, "it cannot see whether another program removed the rules: iptables fails, or its lock is held",
	    ASK_LOCK, .name_key = "table",
	    FORMS(F("1.17-1.26", "Could not set up iptables canary %n"), F("1.17-1.26", "Could not check for iptables canary %n"),
		  F("1.27-1.36", "Could not set up iptables canary"), F("1.27-1.36", "Could not check for iptables canary"))),
	/* These clear what another mode left, or what is in use still: they go on without. */
	FINE("other-mode-kept", NULL, TOPIC_NONE, "rules of a mode that it does not run in were not removed; mostly there are none, or they are in use",
	     FORMS(F("1.12-1.36", "Error removing iptables rules in ipvs proxier"), F("1.12-1.36", "Error removing pure-iptables proxy rule"),
		   F("1.12-1.36", "Error removing userspace rule"), F("1.29-1.36", "Error cleaning up nftables rules"),
		   F("1.12-1.36", "Error flushing IPVS rules"))),
	ERR("restore-failed", "iptables-restore-failing", TOPIC_SYNC, "iptables-restore refused the rules: none of that round were written", NULL,
	    .name_key = "table",
	    FORMS(F("1.12-1.36", "Failed to execute iptables-restore"), F("1.12-1.20", "Failed to execute iptables-restore for %n"))),
	ERR("restore-failed-ports", "iptables-restore-failing", TOPIC_SYNC, "iptables-restore failed, and the ports that were opened for it are closed again", NULL,
	    FORMS(F("1.12-1.23", "Closing local ports after iptables-restore failure"))),
	ERR("chain-not-made", "kube-chain-not-jumped", TOPIC_SYNC, "a chain of kube-proxy could not be made", NULL, .name_key = "chain",
	    FORMS(F("1.12-1.21", "Failed to ensure that %w chain %n exists"), F("1.21-1.36", "Failed to ensure chain exists"))),
	ERR("chain-not-jumped", "kube-chain-not-jumped", TOPIC_SYNC, "the jump to a chain of kube-proxy could not be made", NULL, .name_key = "dstChain",
	    FORMS(F("1.12-1.21", "Failed to ensure that %w chain %w jumps to %n"), F("1.21-1.36", "Failed to ensure chain jumps"),
		  F("1.12-1.25", "Failed to ensure iptables"))),
	ERR("save-failed", "iptables-restore-failing", TOPIC_SYNC, "the rules that are there cannot be read: chains that nobody needs stay", NULL,
	    .name_key = "table",
	    FORMS(F("1.12-1.20", "Failed to execute iptables-save for %n"), F("1.12-1.24", "Failed to execute iptables-save, syncing all rules"),
		  F("1.25-1.36", "Failed to execute iptables-save: stale chains will not be deleted"), F("1.12-1.36", "Failed to execute iptables-save"))),
	FINE("iptables-command", NULL, TOPIC_NONE, "a command that it runs",
	     FORMS(F("1.12-1.26", "running ip%n -t %d"), F("1.12-1.26", "running ip%n [%d"), F("1.27-1.36", "Running"))),
	FINE("dbus-missing", NULL, TOPIC_NONE, "it cannot ask firewalld whether it reloads", .flags = ROW_START,
	     FORMS(F("1.12-1.16", "Could not connect to D-Bus system bus"))),
	WARN("iptables-version-bad", NULL, TOPIC_START, "a version of iptables cannot be understood", NULL, .flags = ROW_START,
	     FORMS(F("1.12-1.22", "MinCheckVersion (%n) is not a valid version string"), F("1.12-1.14", "WaitMinVersion (%n) is not a valid version string"),
		   F("1.12-1.14", "WaitSecondsMinVersion (%n) is not a valid version string"), F("1.12-1.22", "vstring (%n) is not a valid version string"))),
	FINE("nfacct-missing", "nfacct-missing", TOPIC_NONE, "the kernel cannot count packets for a metric; without effect on Services", .flags = ROW_START,
	     .name_key = "counter",
	     FORMS(F("1.32-1.36", "failed to initialize nfacct client"), F("1.32-1.36", "failed to collect nfacct counter"),
		   F("1.32-1.36", "Failed to create nfacct runner, nfacct based metrics won't be available"),
		   F("1.32-1.36", "Failed to create nfacct counter; the corresponding metric will not be updated"),
		   F("1.32-1.36", "failed to create constant metric"))),

	/* ---- nft ---- */
	ERR("nft-sync-failed", "nft-userdata-incompat", TOPIC_SYNC, "nft refused the rules: none of that round were written",
	    "compare nft --version on the host with that of kube-proxy's image", .name_key = "ipFamily", FORMS(F("1.29-1.36", "nftables sync failed"))),
	ERR("nft-transaction-failed", "nft-userdata-incompat", TOPIC_SYNC, "what nft refused, or what was there before", NULL, .name_key = "ipFamily",
	    FORMS(F("1.33-1.36", "Failed transaction"), F("1.33-1.36", "Listing full table failed"), F("1.33-1.36", "Listing full table"))),
	ERR("nft-list-failed", "nft-userdata-incompat", TOPIC_SYNC, "its own table cannot be read: what nobody needs stays in it",
	    "compare nft --version on the host with that of kube-proxy's image", .name_key = "ipFamily",
	    FORMS(F("1.36", "Failed to list existing nftables objects"), F("1.33-1.36", "Failed to list nftables elements"),
		  F("1.33-1.35", "Failed to list existing chains"), F("1.33-1.35", "Failed to list existing sets"),
		  F("1.29-1.32", "Failed to list nftables chains: stale chains will not be deleted"),
		  F("1.29-1.32", "Failed to list nftables sets: stale affinity sets will not be deleted"))),
	WARN("nft-chains-kept", NULL, TOPIC_NONE, "chains that nobody needs were not removed; it tries again", NULL,
	     FORMS(F("1.29-1.36", "Unable to delete stale chains; will retry later"))),
	FINE("nft-chains-removed", NULL, TOPIC_NONE, "chains that nobody needs are removed", FORMS(F("1.29-1.36", "Deleting stale nftables chains"))),
	FINE("nft-transaction", NULL, TOPIC_NONE, "what it tells nft", FORMS(F("1.32-1.36", "Running nftables transaction"))),
};
TABLE(log_proxy_rules);
