/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kube-proxy in IPVS mode and the sets that its rules look into: pkg/proxy/ipvs/ipset.go and pkg/proxy/ipvs/ipset (earlier pkg/util/ipset). */
#include "kube-proxy-private.h"

#define CHECK "ipset-kernel-protocol-mismatch"

static const struct log_row rows[] = {
	FINE("set-name-cut", NULL, TOPIC_NONE, "the name of a set is too long, and is cut to what the kernel allows", .flags = ROW_START, .name_key = "truncatedName",
	     FORMS(F("1.16-1.22", "ipset name truncated; [*] -> [%n]"), F("1.23-1.36", "Ipset name truncated"))),
	ERR("set-not-made", CHECK, TOPIC_SYNC, "a set that rules look into could not be made", "ipset --version; modprobe ip_set", .name_key = "ipSet",
	    FORMS(F("1.14-1.22", "Failed to make sure ip set: %N exist"), F("1.23-1.36", "Failed to make sure existence of ip set"))),
	ERR("set-unread", CHECK, TOPIC_SYNC, "a set could not be read", NULL, FORMS(F("1.14-1.36", "Failed to list ip set entries"))),
	ERR("set-entry-not-added", CHECK, TOPIC_SYNC, "an address could not be put into a set: rules do not see it", NULL, .name_key = "ipSet",
	    FORMS(F("1.14-1.22", "Failed to add entry: %N to ip set: %x"), F("1.23-1.36", "Failed to add ip set entry to ip set"))),
	ERR("set-entry-refused", CHECK, TOPIC_SYNC, "an address could not be put into a set: rules do not see it", NULL, .name_key = "ipset",
	    FORMS(F("1.22-1.36", "Error adding entry to ipset"))),
	ERR("set-entry-not-removed", CHECK, TOPIC_SYNC, "an address could not be taken out of a set", NULL, .name_key = "ipSet",
	    FORMS(F("1.14-1.22", "Failed to delete ip set entry: %N from ip set: %x"), F("1.23-1.36", "Failed to delete ip set entry from ip set"))),
	WARN("set-not-removed", CHECK, TOPIC_NONE, "a set was not removed with the other leftovers", NULL, .name_key = "ipset",
	     FORMS(F("1.12-1.21", "Error removing ipset %n"), F("1.22-1.36", "Error removing ipset"))),
	ERR("set-entry-invalid", CHECK, TOPIC_SYNC, "what is to stand in a set is not valid", NULL, .name_key = "ipset",
	    FORMS(F("1.14-1.27", "Entry %N port number %w should be >=0 for ipset %x"), F("1.28-1.36", "port number should be >=0"),
		  F("1.14-1.23", "port number %w should be >=0"), F("1.14-1.27", "Error parsing entry %N second ip address %w for ipset %x"),
		  F("1.28-1.36", "error parsing second ip address"), F("1.14-1.27", "Error parsing entry %N ip address %w for ipset %x"),
		  F("1.28-1.36", "error parsing ip address"), F("1.14-1.27", "Error parsing entry %N ip net %w for ipset %x"),
		  F("1.28-1.36", "error parsing ip net"), F("1.14-1.27", "Unable to reference ip set where the entry %N exists"),
		  F("1.28-1.36", "unable to reference ip set where the entry exists"),
		  F("1.14-1.27", "Entry %N port number %w is not in the port range %w of its ipset %x"),
		  F("1.28-1.36", "port number is not in the port range of its ipset"),
		  F("1.14-1.27", "Invalid entry's protocol: %n, supported protocols are [*]"), F("1.28-1.36", "invalid protocol"))),
	ERR("set-invalid", CHECK, TOPIC_SYNC, "a set is not described validly", NULL, .name_key = "ipset",
	    FORMS(F("1.14-1.27", "Failed to parse set %N port range %w for ipset %x"), F("1.28-1.36", "failed to parse set port range"),
		  F("1.14-1.23", "Currently supported ipset types are: [*], %n is not supported"),
		  F("1.14-1.23", "Currently supported ip set hash families are: [*], %n is not supported"),
		  F("1.14-1.23", "Invalid hashsize value %w, should be >0"), F("1.14-1.23", "Invalid maxelem value %w, should be >0"),
		  F("1.14-1.23", "port range should be in the format of `a-b`"), F("1.14-1.23", "Failed to parse %n, error: %d"))),
	WARN("set-version-bad", CHECK, TOPIC_START, "the version of ipset cannot be understood", "ipset --version", .name_key = "versionString",
	     FORMS(F("1.23-1.36", "Got invalid version string"))),
};
TABLE(log_proxy_ipset);
