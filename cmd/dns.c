/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * svcdoctor dns: do the names of Services resolve? Asks DNS from here or from a pod's network namespace, or judges what a bundle has recorded.
 * It needs no cluster: what its answers cannot be compared with is told.
 */
#include <ctype.h>
#include <errno.h>

#include "cmd.h"

enum { REPEAT_MAX = 100, NAME_MAX_LEN = 253 };

static const struct opt options[] = {
	OPT_ROW_NAMESPACE,
	OPT_ROW_ALL,
	OPT_ROW_BUNDLE,
	OPT_ROW_FORMAT(choices_format3),
	OPT_ROW_OUTPUT_FILE,
	{ 0, "server", "ADDR[:PORT]", "ask this DNS server, and not those of resolv.conf and of the cluster (several times)", OPT_LIST,
	  offsetof(struct options, dns_servers), 0, NULL, COMPLETE_NOTHING },
	{ 0, "tcp", NULL, "ask over TCP only", OPT_FLAG, offsetof(struct options, dns_tcp), 0, NULL, COMPLETE_NOTHING },
	{ 0, "resolv-conf", "FILE", "take this file for /etc/resolv.conf", OPT_TEXT, offsetof(struct options, resolv_conf), 0, NULL, COMPLETE_FILE },
	{ 0, "repeat", "N", "then ask each server N times for A and AAAA at once, as libcs do", OPT_NUMBER, offsetof(struct options, repeat), REPEAT_MAX,
	  NULL, COMPLETE_NOTHING },
	{ 0, "try-timeout", "TIME", "wait this long for an answer, twice ('2s' if not given)", OPT_TIME, offsetof(struct options, try_ms), 0, NULL,
	  COMPLETE_NOTHING },
	{ 0, "here", NULL, "ask from this machine, also beside a bundle, and from outside the cluster", OPT_FLAG, offsetof(struct options, dns_here), 0, NULL,
	  COMPLETE_NOTHING },
	{ 0, "node", "NODE", "judge the answers of this node only; 'live': ask from this machine, which is one", OPT_TEXT, offsetof(struct options, node), 0,
	  NULL, COMPLETE_NODE },
	{ 0, "netns", "PATH|NAME", "ask from this network namespace, such as a pod's", OPT_TEXT, offsetof(struct options, from_netns), 0, NULL,
	  COMPLETE_FILE },
	{ 0, "pid", "PID", "ask as this process: from its network namespace, with its resolv.conf", OPT_PID, offsetof(struct options, from_pid), 4194304,
	  NULL, COMPLETE_NOTHING },
	OPT_ROW_FAIL_ON,
	OPT_ROW_IGNORE,
	OPT_ROW_COLOR,
	OPT_ROW_QUIET,
	OPT_ROW_VERBOSE,
	OPT_ROW_HELP,
	OPT_ROW_END,
};

/* ---- the name ---- */

struct wish {
	struct selection selection;
	const char *name; /* as somebody types it; NULL: no name was given */
	bool all;	  /* of a bundle: whatever was asked there */
};

static void wish_release(struct wish *w)
{
	selection_release(&w->selection);
}

static bool is_host_name(const char *s)
{
	size_t n = strlen(s);
	for (const char *p = s; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr("-_.*", *p)) {
			return false;
		}
	}
	return n > 0 && n <= NAME_MAX_LEN + 1 && s[0] != '.' && !strstr(s, "..");
}

/* "svc/web" and "shop/web" are no names that anybody types into a program. */
static const char *typed_form(struct context *c, const char *text)
{
	const char *slash = strchr(text, '/');
	if (str_starts(text, "svc/") || str_starts(text, "service/")) {
		return slash + 1;
	}
	return slash > text ? arena_printf(&c->arena, "%s.%.*s", slash + 1, (int)(slash - text), text) : text;
}

static bool services_known(const struct context *c)
{
	enum known k = c->snapshot.kinds[K8S_SERVICES];
	return k == KNOWN || k == PARTLY_KNOWN;
}

/* Was it written as the name of a Service, so that none of that name is a finding? A name with a dot may be any name of the world. */
static bool means_service(const char *text)
{
	const char *svc = strstr(text, ".svc.");
	size_t dots = 0;
	for (const char *p = text; svc && p < svc; p++) {
		dots += *p == '.';
	}
	/* names of ports and of endpoints are longer: "_http._tcp.web.shop.svc", "web-0.web.shop.svc" */
	if (text[0] == '_' || dots > 1) {
		return false;
	}
	return strchr(text, '/') || !strchr(text, '.') || strstr(text, ".svc.") || str_ends(text, ".svc");
}

static int find_service(struct context *c, const char *text, struct wish *w)
{
	struct service_list found = { 0 };
	struct missing_service m = { NULL, NULL, 0 };
	int r = service_resolve(&c->arena, &c->snapshot, text, c->report.namespace_, &found, &m.similar, &m.nsimilar);
	for (size_t i = 0; r == 0 && i < found.v.len; i++) {
		r = array_push(&w->selection.list.v, found.v.v[i]);
	}
	if (r == -ENOENT && !found.unread && means_service(text)) {
		const char *name = typed_form(c, text), *dot = name ? strchr(name, '.') : NULL;
		size_t ns = dot ? strcspn(dot + 1, ".") : 0;
		m.name = !name ? NULL : !dot ? arena_printf(&c->arena, "%s/%s", c->report.namespace_, name)
					     : arena_printf(&c->arena, "%.*s/%.*s", (int)ns, dot + 1, (int)(dot - name), name);
		r = m.name ? array_push(&w->selection.missing, m) : -ENOMEM;
	}
	array_free(&found.v);
	return r == -ENOENT ? 0 : r;
}

static int take_name(struct context *c, const char *text, struct wish *w)
{
	struct ip_addr a;
	const char *typed = typed_form(c, text);
	int r = services_known(c) ? find_service(c, text, w) : 0;
	if (r < 0 || !typed) {
		return r < 0 ? r : -ENOMEM;
	}
	bool address = ip_addr_parse(typed, &a) == 0;
	if (!address && is_host_name(typed)) {
		w->name = typed;
	} else if (w->selection.list.v.len == 0) {
		return usage_error(c, "'%s' is %s", text, address ? "an address, and of no Service that is known: give a name" : "no name that DNS could be asked for");
	}
	return 0;
}

static int take_namespace(struct context *c, struct wish *w)
{
	const struct k8s_cluster *cluster = &c->snapshot.cluster;
	const char *ns = c->o.all ? NULL : c->o.namespace_;
	w->selection.namespace_ = ns;
	for (size_t i = 0; i < cluster->services.len; i++) {
		const struct k8s_service *s = cluster->services.v[i];
		if ((!ns || strcmp(s->meta.ns, ns) == 0) && array_push(&w->selection.list.v, s) < 0) {
			return -ENOMEM;
		}
	}
	if (w->selection.list.v.len == 0 && !c->o.quiet) {
		complain_of(c, "no-services", false, services_known(c) ? "no Services are known of what was asked for" : "the Services are not known");
	}
	return 0;
}

static int make_wish(struct context *c, struct wish *w)
{
	if (c->o.args.len > 0) {
		return take_name(c, c->o.args.v[0], w);
	}
	if (c->o.all || c->o.namespace_) {
		return take_namespace(c, w);
	}
	w->all = !dns_is_asking(c);
	return 0;
}

/* The namespace that all recorded places search, which bare names are of; NULL: they differ, or do not tell. */
static int recorded_namespace(struct context *c)
{
	const char *all = NULL;
	size_t len = 0, n = 0;
	for (size_t i = 0; i < c->snapshot.dns.len; i++) {
		const struct snap_dns *d = c->snapshot.dns.v[i];
		const char *ns = d->has_conf && d->answers.len > 0 ? resolv_conf_namespace(&d->conf, &n) : NULL;
		if (ns && all && (n != len || strncmp(ns, all, n) != 0)) {
			return 0;
		}
		all = ns ? ns : all;
		len = ns ? n : len;
	}
	if (!all) {
		return 0;
	}
	c->report.namespace_ = arena_strndup(&c->arena, all, len);
	return c->report.namespace_ ? 0 : -ENOMEM;
}

/* ---- the run ---- */

/* Is it what was asked about? Where nobody knows what is appended to a name, its whole name stands for it. */
static bool is_asked_about(const struct dns_report *n, const struct dns_name_row *x, const char *name)
{
	bool other = false;
	for (size_t i = 0; i < n->names.len; i++) {
		other |= n->names.v[i].from == x->from && n->names.v[i].asked;
	}
	return x->asked || (name && !other && !x->control);
}

/*
 * A name that does not resolve, though no check tells why: that is not healthy. Of what was asked for by name, only an error tells why; a
 * warning about it says that nobody knows whether it should resolve at all.
 */
static bool unexplained(const struct dns_report *n, const struct diagnosis *d, const char *name)
{
	enum severity worst = SEVERITY_INFO;
	bool by_policy = false; /* the pod does not want names of the cluster */
	for (size_t i = 0; i < d->findings.len; i++) {
		const struct finding *f = d->findings.v[i];
		bool why = f->severity == SEVERITY_ERROR || strcmp(f->check->id, "dns-name-not-resolved") != 0;
		worst = why ? MAX(worst, f->severity) : worst;
		by_policy |= strcmp(f->check->id, "dnspolicy-none-or-default") == 0;
	}
	size_t good = 0;
	for (size_t i = 0; i < n->names.len; i++) {
		const struct dns_name_row *x = &n->names.v[i];
		good += x->ok == 1;
		if (x->ok == 0 && !x->harmless && !(x->control && by_policy) && worst < (is_asked_about(n, x, name) ? SEVERITY_ERROR : SEVERITY_WARNING)) {
			return true;
		}
	}
	return good == 0 && worst < SEVERITY_WARNING;
}

/* DNS has the very name that was typed, whoever made it: then that there is no such Service is no fault. */
static bool is_there(const struct dns_report *n)
{
	for (size_t i = 0; i < n->names.len; i++) {
		const struct dns_name_row *x = &n->names.v[i];
		if (x->asked && x->walk.result == LIBC_RESOLVED && x->ok == 1 && x->walk.winner && x->full) {
			return true;
		}
	}
	return false;
}

static int judge(struct context *c, const struct wish *w, const struct diagnose_options *o, struct dns_asked *asked)
{
	struct dns_report n CLEANUP(dns_report_release) = { 0 };
	struct diagnosis d CLEANUP(diagnosis_release) = { 0 };
	int r = diagnose_run(&c->snapshot, o, &d);
	if (r == 0) {
		r = dns_run(&c->snapshot, o, &n);
	}
	if (r == 0 && !is_there(&n)) {
		r = selection_add_missing(&w->selection, &d);
	}
	for (size_t i = 0; r == 0 && i < asked->left.len; i++) {
		r = array_push(&n.left, asked->left.v[i]);
	}
	n.outside = asked->outside;
	if (r == 0 && !d.axis_has_source[AXIS_NAME]) {
		r = dns_from_inside(&c->snapshot, o, &n);
	}
	if (r < 0) {
		return r;
	}
	signals_hold();
	r = report_dns(&c->report, &n, &d);
	return r < 0 ? r : (int)code_join(code_of_diagnosis(&c->o, &d), unexplained(&n, &d, w->name) ? CODE_INCONCLUSIVE : CODE_HEALTHY);
}

static int run_wish(struct context *c, const struct wish *w)
{
	struct dns_asked asked CLEANUP(dns_asked_release) = { 0 };
	const struct string_list *ignore = &c->o.ignore;
	if ((ignore->len == 0 || ignore->v[ignore->len - 1]) && array_push(&c->o.ignore, NULL) < 0) {
		return -ENOMEM;
	}
	const struct diagnose_options o = {
		.axes = { [AXIS_NAME] = true },
		.axes_given = true,
		.node = c->o.node,
		.services = w->all ? NULL : selection_services(&w->selection),
		.nservices = w->selection.list.v.len,
		.namespace_ = w->selection.namespace_,
		.ignore = c->o.ignore.v,
		.dns_name = w->name,
		.dns_ns = c->report.namespace_,
	};
	if (dns_is_asking(c)) {
		int r = dns_ask_from_here(c, &o, &asked);
		if (r != 0) {
			return r > 0 && r != CODE_USAGE ? (report_nothing(&c->report) < 0 ? -ENOMEM : r) : r;
		}
	}
	return judge(c, w, &o, &asked);
}

/* Without any of the cluster the answers are there, and nothing that they could be compared with. */
static int without_cluster(struct context *c, int r)
{
	if (r == CODE_NO_API || r == CODE_INCONCLUSIVE || (r == CODE_NO_RIGHTS && c->o.bundles.len > 0)) {
		c->code = code_join(c->code, CODE_INCONCLUSIVE);
	}
	return 0;
}

static int run(struct context *c)
{
	struct wish w CLEANUP(wish_release) = { 0 };
	int r = dns_check_options(c);
	r = r == 0 ? dns_keep_flags(c) : r;
	if (r != 0) {
		return r;
	}
	if (dns_is_asking(c) && !c->o.namespace_ && !c->o.all && dns_find_namespace(c) < 0) {
		return -ENOMEM;
	}
	r = setup_read(c);
	setup_report(c);
	if (r > 0 && r != CODE_USAGE && dns_is_asking(c)) {
		r = without_cluster(c, r);
	}
	if (r > 0) {
		return report_nothing(&c->report) < 0 ? -ENOMEM : r;
	}
	r = r < 0 ? r : check_node_option(c);
	if (r == 0 && !dns_is_asking(c) && !c->o.namespace_) {
		r = recorded_namespace(c);
	}
	r = r != 0 ? r : make_wish(c, &w);
	return r != 0 ? r : run_wish(c, &w);
}

const struct command command_dns = {
	.name = "dns",
	.arguments = "[NAME]",
	.args_max = 1,
	.help = "tells how names of Services resolve (asks DNS)",
	.complete = COMPLETE_SERVICE,
	.needs = COMMAND_NEEDS_SNAPSHOT | COMMAND_READS_ITSELF | COMMAND_KEEPS_RIGHTS | COMMAND_WITHOUT_SOURCE,
	.options = options,
	.run = run,
};
