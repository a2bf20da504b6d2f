/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This machine as a node: whether it is read, beside a cluster or a bundle or alone, what it is called, and which rights are kept. What is
 * sent to no one needs no packet: the kernel and files of this machine are asked, and nothing else.
 */
#include <errno.h>

#include <svcdoctor/kernel.h>
#include <svcdoctor/source.h>

#include "cmd.h"

enum { READ_LIMIT_MS = 30000 };

int node_options(struct context *c)
{
	struct options *o = &c->o;
	if (o->netns && o->pid) {
		return usage_error(c, "--netns and --pid exclude each other: a process is in one network namespace");
	}
	if (str_is(o->node, "live")) {
		o->live = true;
		o->node = NULL;
	}
	/* a pod's namespace, as a rule: whoever means a node says which */
	if (c->command == &command_diagnose && o->dns && !o->live && !o->node) {
		o->from_netns = o->netns;
		o->from_pid = o->pid;
		o->netns = NULL;
		o->pid = 0;
	}
	return 0;
}

static void keep_flags(struct context *c)
{
	struct strbuf *b = &c->source_flags;
	if (c->o.live) {
		strbuf_adds(b, " --node live");
	}
	if (c->o.netns) {
		strbuf_adds(b, " --netns ");
		add_quoted(b, c->o.netns);
		strbuf_adds(&c->node_prefix, strchr(c->o.netns, '/') ? "nsenter --net=" : "nsenter --net=/run/netns/");
		add_quoted(&c->node_prefix, c->o.netns);
	}
	if (c->o.pid) {
		strbuf_addf(b, " --pid %u", (unsigned)c->o.pid);
		strbuf_addf(&c->node_prefix, "nsenter -t %u -n", (unsigned)c->o.pid);
	}
}

bool node_decide(struct context *c, bool auto_)
{
	c->here.asked = c->o.live || c->o.netns || c->o.pid;
	c->here.wanted = c->here.asked || (auto_ && node_live_is_here());
	keep_flags(c);
	return c->here.wanted;
}

int node_kubeconfigs(struct context *c)
{
	const char *const *paths = api_kubeconfigs_here(&c->arena);
	for (size_t i = 0; paths && paths[i]; i++) {
		struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
		add_quoted(&b, paths[i]);
		fprintf(stderr, i == 0 ? "this machine has a kubeconfig:\n  %s %s --kubeconfig %s\n" : "  %s %s --kubeconfig %s\n",
			c->program, c->command->name, strbuf_str(&b));
	}
	return paths ? 0 : -ENOMEM;
}

static int gather(const struct context *c, struct sd_notes *notes, struct node_live **ret)
{
	const struct node_live_want w = {
		.netns = c->o.netns,
		.pid = (pid_t)c->o.pid,
		.limit_ms = c->o.timeout_ms >= 0 ? c->o.timeout_ms : READ_LIMIT_MS,
		.connections = c->command == &command_collect || c->command == &command_diagnose,
		.logs = c->command == &command_collect || c->command == &command_diagnose || c->command == &command_proxy,
	};
	int r = node_live_read(&w, notes, ret);
	switch (r) {
	case -EPERM:
	case -EACCES:
		return CODE_NO_RIGHTS;
	case -ENOENT:
	case -ESRCH:
	case SD_EUSAGE:
		return CODE_USAGE;
	default:
		return r >= 0 || r == -ENOMEM ? r : CODE_INCONCLUSIVE;
	}
}

/* A machine that was not asked for, and is a node of another cluster or of none, is nobody's business. */
static bool is_foreign(const struct context *c, const char *name, bool known)
{
	if (c->here.asked) {
		return false;
	}
	if (c->o.node) {
		return strcmp(c->o.node, name) != 0;
	}
	return c->api && !known && snapshot_has_all(&c->snapshot, K8S_NODES, NULL);
}

static int take_name(struct context *c, const struct node_live *l, bool *ret_foreign)
{
	const struct k8s_cluster *cluster = &c->snapshot.cluster;
	bool known = false, any = cluster->nodes.len > 0;
	const char *name = node_live_name(l, any ? cluster : NULL, &c->snapshot.arena, &known);
	if (!name) {
		return -ENOMEM;
	}
	if (c->here.asked && c->o.node && !c->o.live) {
		name = c->o.node; /* the user knows which node this is */
		known = true;
	}
	*ret_foreign = is_foreign(c, name, known);
	if (name != c->here.name) { /* the last look's */
		(void)snprintf(c->here.name, sizeof(c->here.name), "%s", name);
	}
	if (*ret_foreign && !c->o.node) {
		sd_note_add(&c->snapshot.notes, false, "not-a-node", NULL, 0, 0, "--node live looks at it all the same",
			    "a kubelet was set up on this machine '%s', and it is no Node of this cluster: its rules are not looked at", name);
	} else if (!known && any && !*ret_foreign) {
		sd_note_add(&c->snapshot.notes, false, "node-name", NULL, 0, 0, "--node NAME with --netns or --pid says which one it is",
			    "no Node has the name, the machine ID or an address of this machine: it is called '%s' here", name);
	}
	return 0;
}

/* 77: rights are missing; 2: else. */
static int code_of(const struct context *c, bool rules, const char *lacks)
{
	if (rules || (c->command->needs & COMMAND_WANTS_FACTS)) {
		return CODE_HEALTHY;
	}
	return lacks ? CODE_NO_RIGHTS : CODE_INCONCLUSIVE;
}

static void *read_apart(void *arg)
{
	struct node_reading *r = arg;
	r->result = gather(r->c, &r->notes, &r->l);
	return NULL;
}

void node_begin(const struct context *c, struct node_reading *r)
{
	*r = (struct node_reading){ .c = c };
	if (c->here.wanted && (c->api || c->o.bundles.len > 0)) {
		r->begun = pthread_create(&r->thread, NULL, read_apart, r) == 0;
	}
}

static void wait_for(struct node_reading *r)
{
	if (r->begun) {
		(void)pthread_join(r->thread, NULL);
	}
	r->begun = false;
}

void node_forget(struct node_reading *r)
{
	wait_for(r);
	sd_notes_release(&r->notes);
	node_live_free(r->l);
	*r = (struct node_reading){ 0 };
}

static int add_node(struct context *c, struct node_live *l)
{
	const char *lacks = NULL;
	bool foreign = false;
	int r = take_name(c, l, &foreign);
	if (r < 0 || foreign) {
		return r;
	}
	bool rules = node_live_has_rules(l, &lacks);
	r = node_live_add(&c->snapshot, c->here.name, l);
	if (r == 0 && c->here.asked) {
		c->o.node = c->here.name;
	}
	return r == 0 ? code_of(c, rules, lacks) : r;
}

int node_read(struct context *c, struct node_reading *r)
{
	if (r->begun) {
		/* there is time for it */
		if (k8s_cluster_finish(&c->snapshot.cluster) < 0) {
			node_forget(r);
			return -ENOMEM;
		}
		wait_for(r);
	} else {
		(void)read_apart(r);
	}
	sd_notes_join(&c->snapshot.notes, &r->notes);
	int result = r->result == 0 ? add_node(c, r->l) : r->result;
	node_forget(r);
	return result;
}

int node_gather(struct context *c, struct node_live **ret)
{
	struct sd_notes notes CLEANUP(sd_notes_release) = { 0 };
	bool known;
	int r = gather(c, &notes, ret);
	for (size_t i = 0; i < notes.len; i++) {
		complain("%s%s%s", notes.v[i].file ? notes.v[i].file : "", notes.v[i].file ? ": " : "", notes.v[i].text);
		if (notes.v[i].hint) {
			fprintf(stderr, "  %s\n", notes.v[i].hint);
		}
	}
	if (r != 0) {
		return r;
	}
	const char *name = c->o.node ? c->o.node : node_live_name(*ret, NULL, &c->arena, &known);
	if (name) {
		(void)snprintf(c->here.name, sizeof(c->here.name), "%s", name);
	}
	return name ? 0 : -ENOMEM;
}

void node_drop_rights(const struct context *c)
{
	/* whoever looks again needs them again */
	if (c->here.wanted && !c->o.watch && !c->o.dns && !(c->command->needs & COMMAND_KEEPS_RIGHTS)) {
		(void)kernel_drop_capabilities();
	}
}
