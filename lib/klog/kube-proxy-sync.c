/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kube-proxy says of each round: that it may begin, what it wrote, that it failed (pkg/proxy/{iptables,ipvs,nftables}/proxier.go,
 * pkg/proxy/config).
 *
 * "SyncProxyRules complete" ends every round, one that failed too, and of dual-stack kube-proxies one family's rounds say nothing of the
 * other's: so it is a good sign, and makes no error of TOPIC_SYNC history.
 */
#include "kube-proxy-private.h"

static const struct log_row rows[] = {
	GOOD("caches-synced", TOPIC_API, "it has read what it needs of the API server",
	     FORMS(F("1.12-1.32", "Caches are synced for *"), F("1.33-1.36", "Caches are synced"))),
	GOOD("caches-populated", TOPIC_API, "it has read all objects of a kind from the API server",
	     FORMS(F("1.23-1.36", "Caches populated"), F("1.23-1.31", "Caches populated for %w from *"))),
	FINE("caches-awaited", NULL, TOPIC_NONE, "it waits until it has read what it needs of the API server", .flags = ROW_START,
	     FORMS(F("1.12-1.32", "Waiting for caches to sync for *"), F("1.33-1.36", "Waiting for caches to sync"))),
	ERR("caches-unsynced", "kube-proxy-apiserver-unreachable", TOPIC_API, "it did not get what it needs of the API server", NULL,
	    FORMS(F("1.12-1.36", "unable to sync caches for %N"), F("1.33-1.36", "Unable to sync caches"))),
	FINE("controller-started", NULL, TOPIC_NONE, "a watch of the API begins",
	     FORMS(F("1.12-1.26", "Starting endpoints config controller"), F("1.16-1.36", "Starting endpoint slice config controller"),
		   F("1.12-1.36", "Starting service config controller"), F("1.17-1.36", "Starting node config controller"),
		   F("1.29-1.36", "Starting serviceCIDR config controller"))),
	FINE("controller-stopped", NULL, TOPIC_NONE, "a watch of the API ends with kube-proxy",
	     FORMS(F("1.12-1.14", "Shutting down endpoints config controller"), F("1.12-1.14", "Shutting down service config controller"))),
	/* What is wrong when it does not end, the lines of the reflectors tell. */
	FINE("not-syncing", "kube-proxy-apiserver-unreachable", TOPIC_API,
	     "it writes no rules before it has read Services and endpoints; a few times in a start is as it should be", .flags = ROW_START,
	     .name_key = "ipFamily",
	     FORMS(F("1.12-1.36", "Not syncing ipvs rules until Services and Endpoints have been received from master"),
		   F("1.12-1.36", "Not syncing iptables until Services and Endpoints have been received from master"),
		   F("1.29-1.36", "Not syncing nftables until Services and Endpoints have been received from master"))),
	ERR("sync-failed", "kube-proxy-not-syncing", TOPIC_SYNC, "the rules were not written; it tries again", NULL, .name_key = "ipFamily",
	    FORMS(F("1.17-1.20", "Sync failed; retrying in %x"), F("1.21-1.36", "Sync failed"))),
	GOOD("sync-done", TOPIC_NONE, "a round of writing rules ended", .name_key = "ipFamily",
	     FORMS(F("1.12-1.20", "syncProxyRules took %x"), F("1.21-1.36", "syncProxyRules complete"))),
	FINE("sync-begins", NULL, TOPIC_NONE, "a round of writing rules begins",
	     FORMS(F("1.12-1.36", "Syncing iptables rules"), F("1.29-1.36", "Syncing nftables rules"), F("1.12-1.36", "Syncing ipvs Proxier rules"))),
	FINE("sync-data", NULL, TOPIC_NONE, "how many rules are written",
	     FORMS(F("1.24-1.36", "Reloading service iptables data"), F("1.29-1.36", "Reloading service nftables data"))),
	FINE("sync-runner", NULL, TOPIC_NONE, "when rules are written next", FORMS(F(NULL, "sync-runner: ran, next possible in %x, periodic in %x"))),
	/* From two seconds on, and not only of large clusters: its metrics tell how long rounds take. */
	FINE("sync-slow", "large-cluster-latency", TOPIC_NONE, "a step of writing rules took two seconds or more", .flags = ROW_TAIL,
	     FORMS(F(NULL, "Trace[%#]: \"iptables %n\""))),
	FINE("slow", NULL, TOPIC_NONE, "something took long: reading a list from the API server, for one", .flags = ROW_TAIL,
	     FORMS(F(NULL, "Trace[%#]: \"*\""))),
	FINE("slow-step", NULL, TOPIC_NONE, "how long a step took", FORMS(F(NULL, "Trace[%#]: [*] [*] %d"), F(NULL, "Trace[%#]: ---\"%d"))),
};
TABLE(log_proxy_sync);
