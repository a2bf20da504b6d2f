/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Splits a DNS name into the Service and the namespace that the cluster's DNS would read in it
 * (Kubernetes DNS-Based Service Discovery, version 1.1.0, section 2.3.1). Pure; whether such a Service exists is
 * asked elsewhere (service_resolve in lib/checks).
 */
#include <ctype.h>

#include <svcdoctor/names.h>

enum { LABEL_SIZE = 64, DNS_NAME_MAX = 253 };

/* One DNS label as Kubernetes lets objects be named (RFC 1123, section 2.1), any letter case; lower case in @ret. */
static bool label_ok(const char *s, size_t len, char ret[static LABEL_SIZE])
{
	if (len == 0 || len >= LABEL_SIZE || s[0] == '-' || s[len - 1] == '-') {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)s[i]) && s[i] != '-') {
			return false;
		}
		ret[i] = (char)tolower((unsigned char)s[i]);
	}
	ret[len] = 0;
	return true;
}

/* Every label of @domain is one; @domain has no dot at its end. */
static bool domain_ok(const char *domain, size_t len)
{
	char label[LABEL_SIZE];
	for (size_t at = 0; at <= len;) {
		const char *dot = memchr(domain + at, '.', len - at);
		size_t end = dot ? (size_t)(dot - domain) : len;
		if (!label_ok(domain + at, end - at, label)) {
			return false;
		}
		at = end + 1;
	}
	return true;
}

static bool domain_matches(const char *found, size_t len, const char *wanted)
{
	size_t wanted_len = strlen(wanted);
	if (wanted_len > 0 && wanted[wanted_len - 1] == '.') {
		wanted_len--;
	}
	return wanted_len == len && strncasecmp(found, wanted, len) == 0;
}

/* What follows "name.ns.": "svc", or "svc.DOMAIN" with a dot at its end or without. */
static bool tail_ok(const char *tail, const char *domain)
{
	size_t len = strlen(tail);
	if (strcasecmp(tail, "svc") == 0) {
		return true;
	}
	if (strncasecmp(tail, "svc.", 4) != 0) {
		return false;
	}
	const char *found = tail + 4;
	size_t found_len = len - 4;
	if (found_len > 0 && found[found_len - 1] == '.') {
		found_len--;
	}
	return found_len > 0 && domain_ok(found, found_len) &&
	       (!domain || domain_matches(found, found_len, domain));
}

int service_name_split(const char *dns_name, const char *domain, char ret_name[static 64],
		       char ret_ns[static 64])
{
	char name[LABEL_SIZE], ns[LABEL_SIZE] = "";
	if (strlen(dns_name) > DNS_NAME_MAX + 1) {
		return SD_EPARSE;
	}
	const char *dot = strchr(dns_name, '.');
	if (!label_ok(dns_name, dot ? (size_t)(dot - dns_name) : strlen(dns_name), name)) {
		return SD_EPARSE;
	}
	if (dot) {
		const char *rest = dot + 1;
		const char *second = strchr(rest, '.');
		if (!label_ok(rest, second ? (size_t)(second - rest) : strlen(rest), ns)) {
			return SD_EPARSE;
		}
		if (second && !tail_ok(second + 1, domain)) {
			return SD_EPARSE;
		}
	}
	memcpy(ret_name, name, sizeof(name));
	memcpy(ret_ns, ns, sizeof(ns));
	return 0;
}
