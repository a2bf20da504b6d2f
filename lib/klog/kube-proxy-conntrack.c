/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kube-proxy clears connections to endpoints that are gone: by the tool conntrack for single addresses up to 1.31 (proxier.go and
 * pkg/util/conntrack, later pkg/proxy/conntrack), by netlink over all entries, with each round anew, from 1.32 on (cleanup.go).
 */
#include "kube-proxy-private.h"

#define CHECK "stale-udp-conntrack-deleted-endpoint"
#define LOOK "conntrack -L -p udp"

static const struct log_row rows[] = {
	FINE("udp-service-stale", NULL, TOPIC_NONE, "a UDP Service got its first endpoint, and its old connections are cleared",
	     FORMS(F("1.14-1.18", "Stale udp service %w -> %x"), F("1.21-1.22", "Stale %w service NodePort %w -> %#"), F("1.20-1.21", "Stale %w service %w -> %x"),
		   F("1.21-1.26", "Stale service"))),
	ERR("conntrack-service-not-cleared", CHECK, TOPIC_CONNTRACK, "connections to the address of a UDP Service were not cleared, and keep going nowhere", LOOK,
	    .name_key = "IP",
	    FORMS(F("1.14-1.21", "Failed to delete stale service IP %n connections"), F("1.21-1.30", "Failed to delete stale service connections"),
		  F("1.21-1.26", "Failed to delete stale service IP connections"))),
	ERR("conntrack-endpoint-not-cleared", CHECK, TOPIC_CONNTRACK, "UDP connections to an endpoint that is gone were not cleared", LOOK,
	    .name_key = "servicePortName",
	    FORMS(F("1.21-1.30", "Failed to delete nodeport-related endpoint connections"), F("1.20", "Failed to delete nodeport-related %n endpoint connections"),
		  F("1.14-1.21", "Failed to delete %n endpoint connections"),
		  F("1.14-1.21", "Failed to delete %n endpoint connections for externalIP %x"),
		  F("1.14-1.20", "Failed to delete %n endpoint connections for LoabBalancerIP %x"),
		  F("1.16-1.21", "Failed to delete %n endpoint connections for LoadBalancerIP %x"),
		  F("1.21-1.30", "Failed to delete endpoint connections"),
		  F("1.21-1.30", "Failed to delete endpoint connections for externalIP"), F("1.21-1.30", "Failed to delete endpoint connections for LoadBalancerIP"))),
	ERR("conntrack-port-not-cleared", CHECK, TOPIC_CONNTRACK, "UDP connections to a node port were not cleared", LOOK, .name_key = "nodePort",
	    FORMS(F("1.14-1.20", "Failed to clear udp conntrack for port %n"), F("1.21-1.30", "Failed to clear udp conntrack"))),
	/* Each round lists them anew: one failure is not yet one that lasts. */
	WARN("conntrack-list-failed", CHECK, TOPIC_CONNTRACK, "connections could not be listed, so none to endpoints that are gone were cleared in that round", LOOK,
	     FORMS(F("1.32-1.36", "Failed to list conntrack entries"))),
	ERR("conntrack-not-cleared", CHECK, TOPIC_CONNTRACK, "not all connections to endpoints that are gone were cleared", LOOK, .name_key = "ipFamily",
	    FORMS(F("1.32-1.36", "Failed to clear all conntrack entries"))),
	FINE("conntrack-partial", NULL, TOPIC_CONNTRACK, "the list of connections changed while it was read; the next round clears the rest",
	     FORMS(F("1.33-1.36", "received a partial result, continuing to clean with partial result"))),
};
TABLE(log_proxy_conntrack);
