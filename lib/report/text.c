/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The small parts of text reports: colour, labels, commands, weights, places of rules, the first line. */
#include <errno.h>
#include <math.h>
#include <netinet/in.h>

#include "report-private.h"

enum { LABEL_WIDTH = 7, NODES_SHOWN = 6 };

void text_styled(const struct report *r, struct strbuf *b, enum style style, const char *s)
{
	static const char *const codes[] = {
		[STYLE_GOOD] = "32", [STYLE_BAD] = "31", [STYLE_WARN] = "33",
		[STYLE_DIM] = "2",   [STYLE_BOLD] = "1",
	};
	if (!r->color) {
		strbuf_adds(b, s);
		return;
	}
	strbuf_addf(b, "\033[%sm%s\033[0m", codes[style], s);
}

int text_write(const struct report *r, const struct strbuf *b)
{
	if (b->failed) {
		return -ENOMEM;
	}
	if (b->len > 0) {
		(void)fwrite(b->s, 1, b->len, r->out);
	}
	return 0;
}

void text_labelled(struct strbuf *b, const char *label, const char *text)
{
	strbuf_addf(b, "  %-*s  ", LABEL_WIDTH, label);
	strbuf_add_clean(b, text);
	strbuf_addc(b, '\n');
}

/* Does it look at, or change, the network of the machine that it runs on? */
static bool is_about_network(const char *command)
{
	static const char *const tools[] = { "ip ",	   "bridge ",	 "sysctl ", "nft ", "ss ", "conntrack ", "ipset ", "ipvsadm ", "iptables-",
					     "ip6tables-", "for " };
	const char *s = str_starts(command, "sudo ") ? command + 5 : command;
	for (size_t i = 0; i < ARRAY_LEN(tools); i++) {
		if (str_starts(s, tools[i])) {
			return true;
		}
	}
	return false;
}

/* In the network namespace that this run looks at. A loop goes there as a whole, as one word of a shell. */
static void command_elsewhere(const struct report *r, struct strbuf *b, const char *command)
{
	strbuf_addf(b, "sudo %s ", r->node_prefix);
	if (!str_starts(command, "for ")) {
		strbuf_add_clean(b, str_starts(command, "sudo ") ? command + 5 : command);
		return;
	}
	struct strbuf word CLEANUP(strbuf_release) = STRBUF_INIT;
	for (const char *p = command; *p; p++) {
		if (str_starts(p, "sudo ")) {
			p += 4;
		} else if (*p == '\'') {
			strbuf_adds(&word, "'\\''");
		} else {
			strbuf_addc(&word, *p);
		}
	}
	strbuf_adds(b, "sh -c '");
	strbuf_add_clean(b, strbuf_str(&word));
	strbuf_addc(b, '\'');
	b->failed |= word.failed;
}

void text_command(const struct report *r, struct strbuf *b, const char *command)
{
	if (str_starts(command, "kubectl ")) {
		strbuf_addf(b, "kubectl%s", r->kubectl_flags);
		strbuf_add_clean(b, command + strlen("kubectl"));
	} else if (str_starts(command, "svcdoctor ")) {
		strbuf_adds(b, r->program);
		strbuf_add_clean(b, command + strlen("svcdoctor"));
		strbuf_adds(b, r->source_flags);
		if (str_starts(command, "svcdoctor dns")) {
			strbuf_adds(b, r->dns_flags ? r->dns_flags : "");
			strbuf_adds(b, r->dns_servers && !strstr(command, " --server ") ? r->dns_servers : "");
		}
	} else if (r->node_prefix && *r->node_prefix && is_about_network(command)) {
		command_elsewhere(r, b, command);
	} else {
		strbuf_add_clean(b, command);
	}
}

static void add_nodes(const struct snapshot *s, struct strbuf *b)
{
	size_t n = 0;
	for (size_t i = 0; i < s->nodes.len; i++) {
		n += s->nodes.v[i]->any_rules;
	}
	if (n == 0) {
		strbuf_adds(b, "no rules");
		return;
	}
	strbuf_adds(b, "rules of ");
	if (n > NODES_SHOWN) {
		strbuf_addf(b, "%zu nodes", n);
		return;
	}
	bool first = true;
	for (size_t i = 0; i < s->nodes.len; i++) {
		if (s->nodes.v[i]->any_rules) {
			strbuf_adds(b, first ? "" : ", ");
			strbuf_add_clean(b, s->nodes.v[i]->name);
			first = false;
		}
	}
}

static bool any_rules(const struct snapshot *s)
{
	for (size_t i = 0; i < s->nodes.len; i++) {
		if (s->nodes.v[i]->any_rules) {
			return true;
		}
	}
	return false;
}

/* " (Kubernetes v1.36.2), namespace shop": an API server has no rules, which "not looked at" tells. */
static void live_source(const struct snapshot *s, struct strbuf *b)
{
	if (s->cluster.version) {
		strbuf_adds(b, " (Kubernetes ");
		strbuf_add_clean(b, s->cluster.version);
		strbuf_addc(b, ')');
	}
	if (s->scope) {
		strbuf_adds(b, ", ");
		strbuf_add_clean(b, s->scope);
	}
}

/* "bundle 'lab' and this node 'n1'". True: this machine is one of them. */
static bool add_origins(const struct snapshot *s, struct strbuf *b)
{
	bool any = s->origin, here = false;
	strbuf_add_clean(b, any ? s->origin : "");
	for (size_t i = 0; i < s->nodes.len; i++) {
		if (s->nodes.v[i]->live) {
			strbuf_adds(b, any ? " and " : "");
			strbuf_add_clean(b, s->nodes.v[i]->live);
			any = here = true;
		}
	}
	strbuf_adds(b, any ? "" : "nothing");
	return here;
}

void text_source(const struct report *r, struct strbuf *b)
{
	const struct snapshot *s = r->snapshot;
	bool here = add_origins(s, b);
	if (s->live && !any_rules(s) && !here) {
		live_source(s, b);
		return;
	}
	if (s->live && s->scope) {
		strbuf_adds(b, ", ");
		strbuf_add_clean(b, s->scope);
	}
	strbuf_adds(b, " (");
	if (s->cluster.version) {
		strbuf_adds(b, "Kubernetes ");
		strbuf_add_clean(b, s->cluster.version);
		strbuf_adds(b, "; ");
	} else if (!s->any_cluster) {
		strbuf_adds(b, s->services_from_rules ? "no cluster objects: Services as the comments of the rules name them; " :
			    "no cluster objects; ");
	}
	add_nodes(s, b);
	strbuf_addc(b, ')');
}

bool text_no_services(const struct report *r, struct strbuf *b)
{
	enum known k = r->snapshot->kinds[K8S_SERVICES];
	if (k == KNOWN || k == PARTLY_KNOWN || r->snapshot->services_from_rules) {
		return false;
	}
	text_styled(r, b, STYLE_WARN, "no Services are known");
	strbuf_adds(b, ", so there is nothing to compare with; packets can be traced:\n"
		       "  trace    ");
	text_command(r, b, "svcdoctor trace outside 10.96.0.1:443");
	strbuf_adds(b, "\n  add      kubectl get svc,endpointslices,pods,nodes -A -o json > cluster.json\n");
	return true;
}

void text_looked_at(const struct report *r, struct strbuf *b, const struct diagnosis *d)
{
	bool first = true;
	if (r->quiet) {
		return;
	}
	strbuf_adds(b, "looked at: ");
	text_source(r, b);
	for (int a = 0; d && a < AXIS_COUNT; a++) {
		if (d->axis_has_source[a]) {
			continue;
		}
		strbuf_addf(b, "%s%s", first ? "   not looked at: " : ", ", axis_name((enum axis)a));
		if (d->axis_why_not[a]) {
			strbuf_adds(b, " (");
			strbuf_add_clean(b, d->axis_why_not[a]);
			strbuf_addc(b, ')');
		}
		first = false;
	}
	strbuf_addc(b, '\n');
}

const char *text_weight(double w, char buf[static WEIGHT_STRLEN])
{
	if (isnan(w)) {
		(void)snprintf(buf, WEIGHT_STRLEN, "?");
		return buf;
	}
	for (unsigned d = 1; d <= 100; d++) {
		double n = w * d;
		/* kube-proxy writes its probabilities with ten decimals: 1/3 is 0.33333333349 in the kernel */
		if (n > 0.5 && fabs(n - round(n)) < 1e-6) {
			(void)snprintf(buf, WEIGHT_STRLEN, d == 1 ? "%.0f" : "%.0f/%u", round(n), d);
			return buf;
		}
	}
	(void)snprintf(buf, WEIGHT_STRLEN, "%.4g", w);
	return buf;
}

const char *text_proto(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_SCTP:
		return "SCTP";
	default:
		return proto_name(proto);
	}
}

void text_service(struct strbuf *b, const struct k8s_service *s)
{
	strbuf_add_clean(b, s->meta.ns);
	strbuf_addc(b, '/');
	strbuf_add_clean(b, s->meta.name);
}

void text_port(struct strbuf *b, const struct k8s_service_port *p)
{
	strbuf_addf(b, "%u/%s", p->port, text_proto(p->proto));
	if (p->name && *p->name) {
		strbuf_adds(b, " '");
		strbuf_add_clean(b, p->name);
		strbuf_addc(b, '\'');
	}
}

void text_pad(struct strbuf *b, size_t start, size_t width)
{
	do {
		strbuf_addc(b, ' ');
	} while (!b->failed && b->len - start < width);
}

void text_wrap(struct strbuf *b, const char *s, unsigned indent, unsigned width)
{
	size_t column = 0;
	while (*s && !b->failed) {
		size_t word = strcspn(s, " \n");
		if (column > 0 && column + 1 + word > width) {
			strbuf_addc(b, '\n');
			column = 0;
		}
		if (word > 0) {
			strbuf_addf(b, "%*s", column == 0 ? (int)indent : 1, "");
			strbuf_add(b, s, word);
			column += (column == 0 ? indent : 1) + word;
		}
		s += word;
		if (*s == '\n' && column > 0) {
			strbuf_addc(b, '\n');
			column = 0;
		}
		s += *s != 0;
	}
	if (column > 0) {
		strbuf_addc(b, '\n');
	}
}

void text_by(struct strbuf *b, const struct verify_by *by, bool backend)
{
	switch (by->kind) {
	case BY_NONE:
		strbuf_adds(b, "no rule");
		return;
	case BY_RULE:
	case BY_SET:
	case BY_POLICY:
		if (by->kind == BY_SET && !by->table) {
			strbuf_adds(b, "ipset ");
			strbuf_add_clean(b, by->chain ? by->chain : "?");
			return;
		}
		if (backend && by->backend) {
			strbuf_addf(b, "%s %s ", by->family ? by->family : "ip", by->backend);
		}
		strbuf_addf(b, "%s ", by->table ? by->table : "?");
		strbuf_add_clean(b, by->chain ? by->chain : "?");
		if (by->kind == BY_POLICY) {
			strbuf_adds(b, " policy");
		} else if (by->index) {
			strbuf_addf(b, " %u", (unsigned)by->index);
		}
		return;
	default:
		strbuf_addf(b, "%s%s", nat_by_kind_name(by->kind), by->text ? " " : "");
		strbuf_add_clean(b, by->text ? by->text : "");
	}
}
