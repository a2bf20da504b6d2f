/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the cluster's DNS must answer to a question: which kind of name it is, and the names that belong to no Service.
 * By the specification "Kubernetes DNS-Based Service Discovery" 1.1.0 (kubernetes/dns, docs/specification.md); what it leaves open is
 * as in CoreDNS. dns-service.c has the names of Services and their endpoints, dns-reverse.c those of addresses.
 */

#include <ctype.h>

#include "dns-private.h"

void dns_expected_release(struct dns_expected *e)
{
	array_free(&e->records);
	*e = (struct dns_expected){ 0 };
}

void dns_say(struct dns_ask *q, enum dns_expect_kind kind, const char *fmt, ...)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&b, fmt, ap);
	va_end(ap);
	q->e.kind = kind;
	q->e.why = b.failed ? NULL : arena_strndup(q->arena, strbuf_str(&b), b.len);
	if (!q->e.why) {
		q->err = -ENOMEM;
		q->e.why = "";
	}
}

void dns_add_record(struct dns_ask *q, const struct dns_record *r)
{
	if (array_push(&q->e.records, *r) < 0) {
		q->err = -ENOMEM;
	}
}

static bool any_object_in(const struct k8s_cluster *c, const char *ns)
{
	if (map_gets(&c->pods_by_ns, ns)) {
		return true;
	}
	for (size_t i = 0; i < c->services.len; i++) {
		if (strcmp(c->services.v[i]->meta.ns, ns) == 0) {
			return true;
		}
	}
	return false;
}

int dns_namespace_exists(const struct dns_ask *q, const char *ns)
{
	if (map_gets(&q->c->namespace_by_name, ns) || any_object_in(q->c, ns)) {
		return 1;
	}
	return q->known(q->arg, K8S_NAMESPACES, "", ns) ? 0 : -1;
}

/* ---- the name ---- */

static char *lower_copy(struct dns_ask *q, const char *s, size_t len)
{
	char *copy = arena_strndup(q->arena, s, len);

	if (!copy) {
		q->err = -ENOMEM;
		return NULL;
	}
	for (char *p = copy; *p; p++) {
		*p = (char)tolower((unsigned char)*p);
	}
	return copy;
}

static size_t bare_len(const char *name)
{
	size_t len = strlen(name);

	return len && name[len - 1] == '.' ? len - 1 : len;
}

/* The labels in front of the domain, from the right. */
static void split_labels(struct dns_ask *q)
{
	size_t end = strlen(q->qname) - strlen(q->domain);
	char *head = lower_copy(q, q->qname, end ? end - (*q->domain != '\0') : 0);
	size_t len = head ? strlen(head) : 0;

	while (len && !q->err) {
		size_t start = len;

		while (start && head[start - 1] != '.') {
			start--;
		}
		if (q->nlabels < DNS_LABELS_MAX) {
			q->label[q->nlabels] = arena_strndup(q->arena, head + start, len - start);
			q->err = q->label[q->nlabels] ? 0 : -ENOMEM;
		}
		q->nlabels++;
		len = start ? start - 1 : 0;
	}
}

/* ---- the domain itself ---- */

static void ask_apex(struct dns_ask *q)
{
	switch (q->qtype) {
	case DNS_SOA:
		dns_say(q, DNS_EXPECT_RECORDS, "%s is the cluster's domain, a zone of its DNS", q->domain);
		dns_add_record(q, &(struct dns_record){ .owner = q->qname, .type = DNS_SOA });
		return;
	case DNS_NS:
	case DNS_TXT:
		dns_say(q, DNS_EXPECT_NOTHING, "which servers the cluster's domain names is not prescribed");
		return;
	default:
		dns_say(q, DNS_EXPECT_NODATA, "%s is the cluster's domain, which has no address", q->domain);
	}
}

static void ask_version(struct dns_ask *q)
{
	if (q->qtype != DNS_TXT) {
		dns_say(q, DNS_EXPECT_NOTHING, "dns-version has a TXT record, and what else is asked of it is not prescribed");
		return;
	}
	dns_say(q, DNS_EXPECT_RECORDS, "the version of the specification that the cluster's DNS follows");
	dns_add_record(q, &(struct dns_record){ .owner = q->qname, .type = DNS_TXT, .text = "\"1.1.0\"" });
}

/* ---- pods ---- */

/* kubernetes.go findPods: three dashes, and no two of them side by side, are the points of IPv4. */
static bool pod_address(const char *label, struct ip_addr *ret)
{
	char text[IP_ADDR_STRLEN];
	size_t len = strlen(label), dashes = 0;

	if (len >= sizeof(text)) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		dashes += label[i] == '-';
	}
	char sep = dashes == 3 && !strstr(label, "--") ? '.' : ':';
	for (size_t i = 0; i <= len; i++) {
		text[i] = label[i] == '-' ? sep : label[i];
	}
	return ip_addr_parse(text, ret) == 0;
}

static void ask_pod_address(struct dns_ask *q)
{
	struct dns_record r = { .owner = q->qname, .type = q->qtype };

	if (q->habits.pods == DNS_PODS_VERIFIED) {
		dns_say(q, DNS_EXPECT_NOTHING, "names of pods are verified against the pods there are (pods verified)");
	} else if (q->habits.pods == DNS_PODS_DISABLED) {
		dns_say(q, DNS_EXPECT_NXDOMAIN, "the Corefile gives pods no names");
	} else if (!pod_address(q->label[2], &r.addr)) {
		dns_say(q, DNS_EXPECT_NXDOMAIN, "'%s' is no address with dashes: pods have no other names below pod.%s", q->label[2], q->domain);
	} else if (q->qtype != (r.addr.family == AF_INET ? DNS_A : DNS_AAAA)) {
		dns_say(q, DNS_EXPECT_NODATA, "the name stands for an %s address", r.addr.family == AF_INET ? "IPv4" : "IPv6");
	} else {
		dns_say(q, DNS_EXPECT_RECORDS, "the name says the address (pods insecure)");
		dns_add_record(q, &r);
	}
}

static void ask_pod(struct dns_ask *q)
{
	int exists = q->nlabels < 2 ? 1 : dns_namespace_exists(q, q->label[1]);

	if (exists < 0) {
		dns_say(q, DNS_EXPECT_NOTHING, "whether there is a namespace %s is not known", q->label[1]);
	} else if (!exists) {
		dns_say(q, DNS_EXPECT_NXDOMAIN, "there is no namespace %s", q->label[1]);
	} else if (q->nlabels < 3) {
		dns_say(q, DNS_EXPECT_NODATA, "the name is above those of pods");
	} else if (q->nlabels > 3) {
		dns_say(q, DNS_EXPECT_NOTHING, "names below that of a pod are not prescribed");
	} else {
		ask_pod_address(q);
	}
}

/* ---- which kind of name ---- */

/* Questions that CoreDNS answers by habits of its code, or that nobody can foresee. */
static bool type_is_foreseen(struct dns_ask *q)
{
	if (q->qtype == DNS_ANY || (q->qtype == DNS_SOA && q->nlabels) || (q->qtype == DNS_TXT && q->nlabels < 3 && !str_is(q->label[0], "dns-version"))) {
		dns_say(q, DNS_EXPECT_NOTHING, "what is answered to a question of this type is not prescribed");
		return false;
	}
	return true;
}

static void ask_name(struct dns_ask *q)
{
	if (q->nlabels && !type_is_foreseen(q)) {
		return;
	}
	if (!q->nlabels) {
		ask_apex(q);
	} else if (str_is(q->label[0], "svc")) {
		if (q->nlabels == 1) {
			dns_say(q, DNS_EXPECT_NODATA, "the name is above those of Services");
		} else {
			dns_ask_service(q);
		}
	} else if (str_is(q->label[0], "pod")) {
		ask_pod(q);
	} else if (str_is(q->label[0], "dns-version") && q->nlabels == 1) {
		ask_version(q);
	} else if (str_is(q->label[0], "dns")) {
		dns_say(q, DNS_EXPECT_NOTHING, "the name of the DNS server itself is not prescribed");
	} else {
		dns_say(q, DNS_EXPECT_NXDOMAIN, "names of Services end with svc.%s", q->domain);
	}
}

/* What the Corefile takes away from what the specification says. */
static void ask_habits(struct dns_ask *q)
{
	const struct dns_habits *h = &q->habits;

	if (q->e.kind == DNS_EXPECT_NXDOMAIN && h->rewritten) {
		dns_say(q, DNS_EXPECT_NOTHING, "the name is made another one (rewrite in the Corefile)");
	} else if (q->e.kind == DNS_EXPECT_NXDOMAIN && h->falls_through) {
		dns_say(q, DNS_EXPECT_NOTHING, "what is no name of Kubernetes is asked of others (fallthrough in the Corefile)");
	} else if (q->nlabels < 2 || !q->label[0] || (strcmp(q->label[0], "svc") != 0 && strcmp(q->label[0], "pod") != 0)) {
		return;
	} else if (h->by_labels) {
		dns_say(q, DNS_EXPECT_NOTHING, "the Corefile shows only what has certain labels");
	} else if (h->hides_namespace) {
		dns_say(q, DNS_EXPECT_NXDOMAIN, "the Corefile does not show namespace %s", q->label[1]);
	} else {
		return;
	}
	q->e.records.len = 0;
}

void dns_ask_inside(struct dns_ask *q)
{
	split_labels(q);
	if (!q->err) {
		dns_habits_read(q, q->domain);
	}
	if (q->err) {
		return;
	}
	ask_name(q);
	ask_habits(q);
}

int expect_dns(struct arena *arena, const struct k8s_cluster *c, const char *domain, const char *qname, uint16_t qtype,
	       dns_known_fn *known, void *arg, struct dns_expected *ret)
{
	struct dns_ask q = { .arena = arena, .c = c, .qtype = qtype, .known = known, .arg = arg };

	q.domain = arena_strndup(arena, domain, bare_len(domain));
	q.qname = arena_strndup(arena, qname, bare_len(qname));
	if (!q.domain || !q.qname) {
		return -ENOMEM;
	}
	if (dns_name_inside(q.qname, q.domain) && *q.domain) {
		dns_ask_inside(&q);
	} else if (dns_name_inside(q.qname, "in-addr.arpa") || dns_name_inside(q.qname, "ip6.arpa")) {
		dns_ask_reverse(&q);
	} else {
		dns_say(&q, DNS_EXPECT_NOTHING, "the name is not the cluster's");
	}
	if (q.err) {
		dns_expected_release(&q.e);
		return q.err;
	}
	*ret = q.e;
	return 0;
}
