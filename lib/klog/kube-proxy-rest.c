/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kube-proxy rarely says: faults of its own that no configuration makes, and words of single versions. */
#include "kube-proxy-private.h"

static const struct log_row rows[] = {
	WARN("own-fault", NULL, TOPIC_NONE, "a fault inside kube-proxy: an object is not of the type that it should be", "update kube-proxy", .name_key = "servicePortName",
	     FORMS(F("1.14-1.36", "Failed to cast endpointsInfo"), F("1.14-1.20", "Failed to cast endpointsInfo \"%n\""),
		   F("1.22-1.36", "Failed to cast BaseEndpointInfo"), F("1.14-1.21", "Failed to cast BaseEndpointInfo \"%n\""),
		   F("1.21-1.36", "Failed to cast serviceInfo"), F("1.14-1.21", "Failed to cast serviceInfo \"%n\""), F("1.29-1.36", "Failed to cast endpointInfo"))),
	WARN("protocol-unsupported", "protocol-mismatch", TOPIC_NONE, "a Service has a protocol that it cannot do", NULL, .name_key = "protocol",
	     FORMS(F("1.14-1.21", "Unsupported protocol type: %n"), F("1.22-1.36", "Unsupported protocol type"))),
	FINE("service-info-missing", NULL, TOPIC_NONE, "endpoints came before their Service",
	     FORMS(F("1.21", "Unable to filter endpoints due to missing Service info for %w"), F("1.22-1.36", "Unable to filter endpoints due to missing service info"))),
};
TABLE(log_proxy_rest);

/* These are found by the reason that their text holds. */
const struct log_row log_proxy_others[LOG_OTHERS] = {
	[LOG_OTHER_END] = ERR("ended", "kube-proxy-crashloop", TOPIC_START, "kube-proxy ended with an error", NULL, .flags = ROW_END),
	[LOG_OTHER_SYNC] = ERR("rules-error", NULL, TOPIC_SYNC, "something failed while rules were written", NULL, .flags = 0),
	[LOG_OTHER_START] = ERR("start-error", NULL, TOPIC_START, "something failed while it started", NULL, .flags = 0),
};
