/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Known lines of CoreDNS, and of NodeLocal DNSCache, which is one. Texts are those of the plugins of that name, of coremain and of
 * coredns/caddy, from 1.2 to 1.14; those of client-go come through the plugin kubernetes. The first row that fits counts: a row that says
 * more stands before one that says less.
 */
#include "klog-private.h"

#define LEVEL_BAD (LEVEL_WARNING | LEVEL_ERROR | LEVEL_FATAL)
#define LEVEL_PLAIN (LEVEL_NONE | LEVEL_ERROR | LEVEL_FATAL)
#define LEVEL_CLIENT (LEVEL_KLOG | LEVEL_WARNING | LEVEL_ERROR)
/* Errors of forward and its like: plugin errors puts the code, the name and the type that were asked before them. */
#define ASKED "plugin/errors: %# %n %w: "
#define PROBED "plugin/errors: %# %w HINFO: "

#define ROW(id_, weight_, check_, meaning_, versions_, ...) \
	{ .program = LOG_COREDNS, .kind = { .id = id_, .weight = weight_, .check = check_, .meaning = meaning_, .versions = versions_ }, __VA_ARGS__ }
#define FORMS(...) .forms = (const struct log_form[]){ __VA_ARGS__, { .pattern = NULL } }

static const struct log_row rows[] = {
	/* ---- the Corefile ---- */
	ROW("reload-failed", LOG_ERROR, "corefile-error", "a changed Corefile was refused; the one before it still counts", NULL,
	    FORMS({ LEVEL_ANY, "reload failed:", "plugin/reload: Corefile changed but reload failed: %d", NULL },
		  { LEVEL_ANY, "reload failed:", "Corefile changed but reload failed: %d", NULL })),
	ROW("reload-unreadable", LOG_ERROR, "corefile-error", "a changed Corefile cannot be read; the one before it still counts", ">= 1.5",
	    FORMS({ LEVEL_ANY, "Corefile parse failed", "plugin/reload: Corefile parse failed: %d", NULL })),
	ROW("restart-failed", LOG_ERROR, "corefile-error", "a changed Corefile was refused; the one before it still counts", NULL,
	    FORMS({ LEVEL_ERROR, "Restart failed", "Restart failed: %d", NULL })),
	ROW("corefile-unknown-directive", LOG_ERROR, "corefile-error", "the Corefile has a plugin that this CoreDNS does not have", NULL,
	    .flags = ROW_END, FORMS({ LEVEL_PLAIN, "Unknown directive", "%x - Error during parsing: Unknown directive '%n'*", NULL })),
	ROW("corefile-unknown-property", LOG_ERROR, "corefile-error", "a plugin has an option in the Corefile that this CoreDNS does not know", NULL,
	    .flags = ROW_END, FORMS({ LEVEL_PLAIN, "unknown property", "plugin/%w: %x - Error during parsing: unknown property '%n'*", NULL },
				  { LEVEL_PLAIN, "unknown property", "%x - Error during parsing: unknown property '%n'*", NULL })),
	ROW("corefile-parse-error", LOG_ERROR, "corefile-error", "the Corefile cannot be read", NULL, .flags = ROW_END,
	    FORMS({ LEVEL_PLAIN, "Error during parsing", "plugin/%w: %n - Error during parsing: %d", NULL },
		  { LEVEL_PLAIN, "Error during parsing", "%n - Error during parsing: %d", NULL },
		  { LEVEL_PLAIN, "Syntax error:", "%n - Syntax error: %d", NULL })),
	ROW("corefile-duplicate-zone", LOG_ERROR, "corefile-error", "two blocks of the Corefile are for the same zone and port", NULL,
	    .flags = ROW_END, FORMS({ LEVEL_PLAIN, "cannot serve ", "cannot serve %n - it is already defined*", NULL },
				    { LEVEL_PLAIN, "cannot serve ", "cannot serve %n - zone overlap %D*", NULL })),
	ROW("corefile-no-upstream", LOG_ERROR, "corefile-error", "forward names what is neither an address nor a file", NULL, .flags = ROW_END,
	    FORMS({ LEVEL_PLAIN, "not an IP address or file", "plugin/%w: not an IP address or file: \"%N\"", NULL })),
	ROW("corefile-missing", LOG_ERROR, "corefile-error", "there is no Corefile where it is looked for", NULL, .flags = ROW_END,
	    FORMS({ LEVEL_PLAIN, "loading Caddyfile", "loading Caddyfile *: open %n: %d", NULL })),
	ROW("hosts-file-missing", LOG_WARNING, NULL, "the file of the plugin hosts is not there", NULL,
	    FORMS({ LEVEL_WARNING, "File does not exist", "plugin/hosts: File does not exist: %N", NULL },
		  { LEVEL_WARNING, "is a directory", "plugin/hosts: Hosts file \"%N\" is a directory", NULL })),
	ROW("import-matches-nothing", LOG_HARMLESS, NULL, "the Corefile imports files of which there are none", NULL,
	    .flags = ROW_START, FORMS({ LEVEL_WARNING, "No files matching", "No files matching import glob pattern: %N", NULL })),
	ROW("reloaded", LOG_GOOD, NULL, "a changed Corefile counts now", NULL, FORMS({ LEVEL_INFO, "Reloading complete", "Reloading complete", NULL })),
	ROW("configuration", LOG_HARMLESS, NULL, "the Corefile that counts was read", NULL, .flags = ROW_START,
	    FORMS({ LEVEL_INFO, "Running configuration", "plugin/reload: Running configuration %w = %d", NULL },
		  { LEVEL_INFO, "Running configuration", "Running configuration %w = %d", NULL })),
	ROW("reloading", LOG_HARMLESS, NULL, "the Corefile changed, and is read anew", NULL, FORMS({ LEVEL_INFO, "Reloading", "Reloading", NULL })),

	/* ---- loop ---- */
	ROW("loop-detected", LOG_ERROR, "coredns-loop", "what CoreDNS forwards comes back to it; it ends", ">= 1.2.3", .flags = ROW_END,
	    FORMS({ LEVEL_FATAL | LEVEL_ERROR, "detected for zone", "plugin/loop: Loop (%d) detected for zone \"%n\", see *", NULL },
		  { LEVEL_FATAL | LEVEL_ERROR, "detected for zone", "plugin/loop: Loop (%d) detected for zone \"%n\"", NULL })),
	ROW("loop-seen-twice", LOG_ERROR, "coredns-loop", "what CoreDNS forwards comes back to it; it ends", "1.2.1-1.2.2", .flags = ROW_END,
	    FORMS({ LEVEL_FATAL | LEVEL_ERROR, "loop detected", "plugin/loop: Seen \"%d\" more than twice, loop detected", NULL })),

	/* ---- upstream ---- */
	ROW("max-concurrent", LOG_WARNING, "coredns-max-concurrent", "more queries wait for the upstream than max_concurrent allows", ">= 1.6.9",
	    FORMS({ LEVEL_ERROR, "concurrent queries exceeded", ASKED "concurrent queries exceeded maximum %d", NULL })),
	ROW("upstream-probe-lost", LOG_ERROR, "coredns-upstream-timeout", "the question with which plugin loop looks for a loop was not answered: the upstream cannot be reached",
	    ">= 1.2.1", FORMS({ LEVEL_ERROR, " HINFO: ", PROBED "%D*: i/o timeout", NULL }, { LEVEL_ERROR, " HINFO: ", PROBED "%D*: connection refused", NULL },
			      { LEVEL_ERROR, " HINFO: ", PROBED "%D*", NULL })),
	ROW("upstream-timeout", LOG_ERROR, "coredns-upstream-timeout", "an upstream server did not answer", NULL,
	    FORMS({ LEVEL_ERROR, ": i/o timeout", ASKED "%D*: i/o timeout", NULL },
		  { LEVEL_ERROR, "context deadline exceeded", ASKED "%D*context deadline exceeded", NULL })),
	ROW("upstream-refused", LOG_ERROR, "coredns-upstream-timeout", "nothing listens at the address of an upstream server, or it is rejected", NULL,
	    FORMS({ LEVEL_ERROR, "connection refused", ASKED "%D*: connection refused", NULL })),
	ROW("upstream-unreachable", LOG_ERROR, "coredns-upstream-timeout", "there is no way from the pod to an upstream server", NULL,
	    FORMS({ LEVEL_ERROR, "no route to host", ASKED "%D*: no route to host", NULL },
		  { LEVEL_ERROR, "network is unreachable", ASKED "%D*: network is unreachable", NULL },
		  { LEVEL_ERROR, "unreachable backend", ASKED "unreachable backend: %d", NULL })),
	ROW("upstream-not-permitted", LOG_ERROR, "coredns-upstream-timeout", "rules of the node forbid what CoreDNS sends to an upstream server", NULL,
	    FORMS({ LEVEL_ERROR, "not permitted", ASKED "%D*: operation not permitted", NULL },
		  { LEVEL_ERROR, "permission denied", ASKED "%D*: permission denied", NULL })),
	ROW("upstream-unhealthy", LOG_ERROR, "coredns-upstream-timeout", "no upstream server answers the health checks of forward", NULL,
	    FORMS({ LEVEL_ERROR, "no healthy ", ASKED "no healthy proxies", NULL }, { LEVEL_ERROR, "no healthy ", ASKED "no healthy gRPC proxies", NULL })),
	ROW("upstream-errors-joined", LOG_ERROR, "coredns-upstream-timeout", "upstream servers did not answer; consolidate hides the names", ">= 1.3",
	    FORMS({ LEVEL_BAD, "i/o timeout", "plugin/errors: %# errors like '%d' occurred in last %w", NULL },
		  { LEVEL_BAD, "i/o timeout", "plugin/errors: %# errors like '%d' occured in last %w", NULL })),
	ROW("errors-joined", LOG_WARNING, NULL, "errors of one kind, which consolidate counts", ">= 1.3",
	    FORMS({ LEVEL_BAD | LEVEL_INFO, "errors like", "plugin/errors: %# errors like '%d' occurred in last %w", NULL },
		  { LEVEL_BAD | LEVEL_INFO, "errors like", "plugin/errors: %# errors like '%d' occured in last %w", NULL })),
	ROW("query-error", LOG_WARNING, NULL, "a question could not be answered", NULL, FORMS({ LEVEL_ERROR, "plugin/errors", ASKED "%d", NULL })),

	/* ---- the API server ---- */
	ROW("not-ready", LOG_WARNING, "coredns-api-unreachable", "a plugin waits: for kubernetes, the API server has not been read yet", ">= 1.5",
	    FORMS({ LEVEL_INFO, "Still waiting on", "plugin/ready: Still waiting on: \"%N\"", NULL },
		  { LEVEL_INFO, "Plugins not ready", "plugin/ready: Plugins not ready: \"%N\"", NULL })),
	ROW("api-waiting", LOG_WARNING, "coredns-api-unreachable", "the start waits, for five seconds at most, until the API server has been read", ">= 1.9",
	    .flags = ROW_START, FORMS({ LEVEL_INFO, "waiting for Kubernetes", "plugin/kubernetes: waiting for Kubernetes API before starting server", NULL })),
	ROW("api-unsynced", LOG_ERROR, "coredns-api-unreachable", "it started without having read the API server, and answers SERVFAIL for names of the cluster",
	    ">= 1.8.5", .flags = ROW_START,
	    FORMS({ LEVEL_WARNING, "unsynced Kubernetes", "plugin/kubernetes: starting server with unsynced Kubernetes API", NULL })),
	ROW("rbac-forbidden", LOG_ERROR, "coredns-rbac", "its ServiceAccount may not read what it needs of the API", NULL, .flags = ROW_START,
	    FORMS({ LEVEL_CLIENT, "is forbidden", "*is forbidden: User \"*\" cannot %D* resource \"%n\"*", NULL },
		  { LEVEL_CLIENT, "is forbidden", "*is forbidden: User \"*\" cannot list %n %D*", NULL },
		  { LEVEL_CLIENT, "is forbidden", "*is forbidden: User \"*\" cannot %D*", NULL },
		  { LEVEL_INFO, "is forbidden", "plugin/kubernetes: *is forbidden: User \"*\" cannot %D* resource \"%n\"*", NULL })),
	ROW("api-unreachable", LOG_ERROR, "coredns-api-unreachable", "the API server cannot be reached from the pod", NULL, .flags = ROW_START,
	    FORMS({ LEVEL_CLIENT, ": dial tcp ", "*: dial tcp %n: %d", NULL }, { LEVEL_INFO, ": dial tcp ", "plugin/kubernetes: *: dial tcp %n: %d", NULL },
		  { LEVEL_WARNING, "API connection failure", "plugin/kubernetes: Kubernetes API connection failure: *: dial tcp %n: %d", NULL })),
	ROW("api-credentials", LOG_ERROR, "coredns-api-unreachable", "the API server refuses the credentials, or shows a certificate that is not trusted", NULL,
	    .flags = ROW_START,
	    FORMS({ LEVEL_CLIENT, "x509: ", "*Get *: %Dx509: *", NULL }, { LEVEL_CLIENT, "x509: ", "*Get *%Dx509: *", NULL },
		  { LEVEL_CLIENT, "Unauthorized", "*ailed to *: %DUnauthorized*", NULL }, { LEVEL_INFO, "x509: ", "plugin/kubernetes: *%Dx509: *", NULL })),
	ROW("api-resource-gone", LOG_ERROR, NULL, "it asks for a version of the API that the cluster does not have: CoreDNS is too old, or too new", NULL,
	    FORMS({ LEVEL_CLIENT, "could not find the requested", "*ailed to list %n: the server could not find the requested resource*", NULL })),
	ROW("api-watch-ended", LOG_HARMLESS, NULL, "a watch ended, and is begun anew", NULL,
	    FORMS({ LEVEL_ANY, "ended with:", "*watch of %n ended with: %d", NULL }, { LEVEL_ANY, "client connection lost", "*client connection lost*", NULL },
		  { LEVEL_ANY, "too old resource version", "*too old resource version*", NULL })),
	ROW("api-failing", LOG_ERROR, "coredns-api-unreachable", "requests to the API server fail", NULL, .flags = ROW_START,
	    FORMS({ LEVEL_CLIENT, "ailed to list", "*ailed to list *: Get \"https://%n/*\": %d", NULL },
		  { LEVEL_INFO, "ailed to list", "plugin/kubernetes: *ailed to list *: Get \"https://%n/*\": %d", NULL },
		  { LEVEL_CLIENT, "ailed to list", "*ailed to list *: Get https://%n/*: %d", NULL },
		  { LEVEL_WARNING, "API connection failure", "plugin/kubernetes: Kubernetes API connection failure: %d", NULL })),

	/* ---- sockets ---- */
	ROW("listen-denied", LOG_ERROR, "coredns-not-running", "it may not listen on its port: the capability NET_BIND_SERVICE is missing", NULL,
	    .flags = ROW_END, FORMS({ LEVEL_PLAIN, "bind: permission denied", "Listen: listen %w %n: bind: permission denied", NULL },
		  { LEVEL_PLAIN, "bind: permission denied", "listen %w %n: bind: permission denied", NULL })),
	ROW("listen-in-use", LOG_ERROR, "coredns-not-running", "another process has its port", NULL, .flags = ROW_END,
	    FORMS({ LEVEL_PLAIN, "already in use", "Listen: listen %w %n: bind: address already in use", NULL },
		  { LEVEL_PLAIN, "already in use", "listen %w %n: bind: address already in use", NULL })),
	ROW("listen-no-address", LOG_ERROR, "nodelocaldns-broken", "it is to listen at an address that the node does not have", NULL, .flags = ROW_END,
	    FORMS({ LEVEL_PLAIN, "cannot assign requested", "Listen: listen %w %n: bind: cannot assign requested address", NULL },
		  { LEVEL_PLAIN, "cannot assign requested", "listen %w %n: bind: cannot assign requested address", NULL })),

	/* ---- NodeLocal DNSCache (kubernetes/dns, cmd/node-cache) ---- */
	ROW("cache-rule-failed", LOG_ERROR, "nodelocaldns-broken", "the rules that keep its packets from connection tracking cannot be added", NULL,
	    FORMS({ LEVEL_ERROR | LEVEL_KLOG, "adding iptables rule", "Error adding iptables rule %d", NULL },
		  { LEVEL_ERROR | LEVEL_KLOG, "adding iptables rule", "Error checking/adding iptables rule %d", NULL })),
	ROW("cache-rule-lock", LOG_WARNING, NULL, "another process holds the lock of iptables", NULL,
	    FORMS({ LEVEL_INFO | LEVEL_KLOG, "xtables lock in use", "Error checking/adding iptables rule %d, due to xtables lock in use*", NULL })),
	ROW("cache-link-failed", LOG_ERROR, "nodelocaldns-broken", "the link that holds its addresses cannot be made", NULL,
	    FORMS({ LEVEL_ANY, "dummy interface", "Error checking dummy device %d", NULL }, { LEVEL_ANY, "non-existent interface", "Failed to add non-existent interface %d", NULL })),

	/* ---- health, answers, start and end ---- */
	ROW("health-slow", LOG_WARNING, NULL, "it answers itself slowly: the pod has too little CPU, or too much to do", ">= 1.8.5",
	    FORMS({ LEVEL_WARNING, "Local health request", "plugin/health: Local health request to \"%w\" took more than 1s: %d", NULL },
		  { LEVEL_WARNING, "Local health request", "plugin/health: Local health request to \"%w\" failed: %d", NULL })),
	ROW("panic", LOG_ERROR, "coredns-pod-disagree", "a plugin failed while it answered: a bug", NULL,
	    FORMS({ LEVEL_ERROR, "Recovered from panic", "Recovered from panic in server: \"%w\" %d", NULL })),
	ROW("served-servfail", LOG_WARNING, NULL, "a question was answered with SERVFAIL (plugin log)", NULL,
	    FORMS({ LEVEL_INFO, "\" SERVFAIL ", "%w - %# \"%w %w %n %w *\" SERVFAIL %d", NULL })),
	ROW("served-refused", LOG_WARNING, NULL, "a question was answered with REFUSED (plugin log)", NULL,
	    FORMS({ LEVEL_INFO, "\" REFUSED ", "%w - %# \"%w %w %n %w *\" REFUSED %d", NULL })),
	ROW("started", LOG_GOOD, NULL, "it started", NULL, .flags = ROW_BANNER, FORMS({ LEVEL_NONE | LEVEL_INFO, "CoreDNS-", "CoreDNS-%n", NULL })),
	ROW("stopping", LOG_HARMLESS, NULL, "it was told to end", NULL, .flags = ROW_END,
	    FORMS({ LEVEL_INFO, "Shutting down", "SIGTERM: Shutting down servers then terminating", NULL }, { LEVEL_INFO, "Shutting down", "SIGINT: Shutting down*", NULL })),
	ROW("lameduck", LOG_HARMLESS, NULL, "it goes on answering for a while before it ends or reads a changed Corefile", NULL,
	    FORMS({ LEVEL_INFO, "lameduck mode", "plugin/health: Going into lameduck mode for %d", NULL })),
	ROW("noise", LOG_HARMLESS, NULL, "nothing that matters", NULL,
	    FORMS({ LEVEL_WARNING, "Updates for ", "plugin/kubernetes: Updates for * not supported.", NULL },
		  { LEVEL_WARNING, "DnsProgrammingLatency", "plugin/kubernetes: DnsProgrammingLatency cannot be calculated for *", NULL },
		  { LEVEL_WARNING, "Multiple endpoints", "plugin/kubernetes: Multiple endpoints have been deprecated*", NULL },
		  { LEVEL_WARNING, "deprecated wildcard", "plugin/kubernetes: %# deprecated wildcard queries received*", NULL })),
};
const struct log_table log_coredns = { rows, ARRAY_LEN(rows) };
