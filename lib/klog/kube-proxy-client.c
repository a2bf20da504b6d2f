/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kube-proxy and the API server: what the reflectors of client-go say (tools/cache/reflector.go), its events (tools/events, tools/record),
 * and its requests. Why a request failed is a reason.
 */
#include "kube-proxy-private.h"

#define AGAIN "a watch of the API ended, and is begun anew"

static const struct log_row rows[] = {
	FINE("watch-ended", "reflector-watch-restart-noise", TOPIC_NONE, AGAIN, .name_key = "type",
	     FORMS(F("1.12-1.36", "*watch of %n ended with: %d"), F("1.12-1.36", "*watch of %n closed with: %d"), F("1.30-1.36", "Warning: watch ended with error"),
		   F("1.30-1.36", "watch ended with error"), F("1.33-1.36", "Warning: watch ended with error, type: %n, err: %d"),
		   F("1.12-1.36", "*Unexpected watch close - watch lasted less than a second and no items received"), F("1.12-1.36", "Watch closed"),
		   F("1.12-1.36", "*Watch close - %n total %# items received"))),
	ERR("reflector-failed", "kube-proxy-apiserver-unreachable", TOPIC_API, "objects of a kind cannot be read from the API server", NULL, .name_key = "type",
	    FORMS(F("1.12-1.36", "*.go:%#: Failed to watch %n: failed to list %w: %d"), F("1.12-1.36", "*.go:%#: failed to list %n"),
		  F("1.12-1.36", "*.go:%#: Failed to watch %n"),
		  F("1.12-1.36", "Failed to list %n"), F("1.12-1.36", "Failed to watch %n"), F("1.31-1.36", "Failed to watch"), F("1.31-1.36", "failed to list"))),
	ERR("unhandled-error", "kube-proxy-apiserver-unreachable", TOPIC_API, "an error that the client of the API tells", NULL,
	    FORMS(F("1.31-1.36", "Unhandled Error"))),
	FINE("event-not-written", NULL, TOPIC_NONE, "an event could not be written; without effect on Services",
	     FORMS(F("1.12-1.36", "Unable to write event: '%d"), F("1.12-1.36", "Unable to write event '%d"), F("1.12-1.36", "Server rejected event '%d"),
		   F("1.12-1.36", "Unable to write event (may retry after sleeping)"), F("1.12-1.36", "Unable to write event (retry limit exceeded!)"),
		   F("1.12-1.36", "Server rejected event (will not retry!)"), F("1.12-1.36", "Unable to construct event"))),
	FINE("event", NULL, TOPIC_NONE, "an event that it writes", FORMS(F("1.12-1.36", "Event(%d"), F("1.23-1.36", "Event occurred"))),
	FINE("request-waited", NULL, TOPIC_NONE, "it held a request back, so as not to flood the API server",
	     FORMS(F("1.12-1.36", "Waited for %x due to client-side throttling, not priority and fairness, request: %N"),
		   F("1.12-1.36", "Throttling request took %x, request: %N"), F("1.12-1.36", "Waited before sending request"))),
	FINE("api-version-warned", NULL, TOPIC_NONE, "the API server says that a version of its API will go away",
	     FORMS(F("1.19-1.36", "%N is deprecated in v%x, unavailable in %d"), F("1.19-1.36", "%N is deprecated in v%x"))),
	FINE("list-streaming", NULL, TOPIC_NONE, "the API server cannot send lists as a stream, so they are read in pages",
	     FORMS(F("1.31-1.36", "The watch-list feature is not supported by the server, falling back to the previous LIST/WATCH semantics"),
		   F("1.31-1.36", "the watch-list feature is not supported by the server, falling back to the previous LIST/WATCH semantic"),
		   F("1.31-1.36", "Data couldn't be fetched in watchlist mode. Falling back to regular list. This is expected if watchlist is not supported or disabled in server"))),
	FINE("certificate-reloading", NULL, TOPIC_NONE, "the certificate on disk is read again when it changes", .flags = ROW_START,
	     FORMS(F("1.18-1.36", "Starting client certificate rotation controller"), F("1.18-1.36", "Shutting down client certificate rotation controller"),
		   F("1.18-1.36", "certificate rotation detected, shutting down client connections to start using new credentials"))),
};
TABLE(log_proxy_client);
