/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Set-up of a run: the bundles or the cluster into one snapshot, what was wrong with them onto stderr, and what reports need to know. */
#include <errno.h>
#include <unistd.h>

#include <svcdoctor/source.h>

#include "cmd.h"

enum { NOTES_SHOWN = 10, RUN_LIMIT_MS = 30000 };

/* The name under which `demo` reports its bundle: that of the folder it was made from. */
static const char demo_label[] = "lab-iptables-nft";

static void print_note(const struct sd_note *n)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	bool named = n->file && !n->line && strstr(n->text, n->file);
	strbuf_adds(&b, n->file && !named ? n->file : "");
	if (n->file && n->line) {
		strbuf_addf(&b, ":%u", (unsigned)n->line);
		if (n->column) {
			strbuf_addf(&b, ":%u", (unsigned)n->column);
		}
	}
	complain("%s%s%s", strbuf_str(&b), b.len > 0 ? ": " : "", n->text);
	if (n->hint) {
		struct strbuf hint CLEANUP(strbuf_release) = STRBUF_INIT;
		strbuf_add_clean(&hint, n->hint);
		fprintf(stderr, "  %s\n", strbuf_str(&hint));
	}
}

static bool was_told(const struct sd_notes *told, const struct sd_note *n)
{
	for (size_t i = 0; told && i < told->len; i++) {
		const struct sd_note *t = &told->v[i];
		if (strcmp(t->text, n->text) == 0 && t->line == n->line && str_is(t->file, n->file ? n->file : "") == (n->file != NULL)) {
			return true;
		}
	}
	return false;
}

void setup_tell(const struct context *c, const struct sd_notes *told)
{
	const struct sd_notes *notes = &c->snapshot.notes;
	/* where all was refused, the first refusal says it */
	const size_t most = c->snapshot.live && !c->snapshot.any_cluster && !c->here.wanted ? 1 : NOTES_SHOWN;
	size_t shown = 0, left = notes->dropped;
	for (size_t i = 0; i < notes->len; i++) {
		const struct sd_note *n = &notes->v[i];
		/* a missing right is in the report */
		bool in_report = strcmp(n->code, "forbidden") == 0 && c->snapshot.live && c->snapshot.any_cluster;
		if (((c->o.quiet || in_report) && !n->fatal_to_part) || was_told(told, n)) {
			continue;
		}
		if (shown < most || c->o.verbose) {
			print_note(n);
			shown++;
		} else {
			left++;
		}
	}
	if (left > 0) {
		complain("%zu more of these%s", left, c->o.verbose ? "" : " (-v shows them)");
	}
}

void add_quoted(struct strbuf *b, const char *path)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@%+,-";
	if (*path && strspn(path, plain) == strlen(path)) {
		strbuf_adds(b, path);
		return;
	}
	strbuf_addc(b, '\'');
	for (const char *p = path; *p; p++) {
		if (*p == '\'') {
			strbuf_adds(b, "'\\''");
		} else {
			strbuf_addc(b, *p);
		}
	}
	strbuf_addc(b, '\'');
}

/* Neither a bundle nor a cluster: what would help, ready to be run. */
static bool takes_node(const struct command *command)
{
	for (const struct opt *o = command->options; o->name; o++) {
		if (strcmp(o->name, "node") == 0) {
			return true;
		}
	}
	return false;
}

static int no_source(struct context *c)
{
	complain_of(c, "no-source", true, "'%s' has nothing to look at: there is no kubeconfig, no bundle, and this is no pod",
		    c->command->name);
	if (node_kubeconfigs(c) < 0) {
		return -ENOMEM;
	}
	fprintf(stderr,
		"name one (--kubeconfig PATH, or KUBECONFIG), or make a bundle with these commands in an empty folder, the first one as\n"
		"root on the node:\n"
		"  iptables-save > iptables-save.txt\n"
		"  kubectl get svc,endpointslices,pods,nodes -A -o json > cluster.json\n"
		"then: %s %s --bundle .\n",
		c->program, c->command->name);
	if (takes_node(c->command) && c->command != &command_collect) {
		fprintf(stderr, "or look at this machine alone: %s %s --node live\n", c->program, c->command->name);
	}
	return CODE_USAGE;
}

static void add_source_flag(struct context *c, const char *path)
{
	strbuf_adds(&c->source_flags, " --bundle ");
	add_quoted(&c->source_flags, path);
}

/* Opens one bundle; what is wrong with it is at least one record. */
static int open_one(struct context *c, const char *path)
{
	size_t before = c->snapshot.notes.len + c->snapshot.notes.dropped;
	int r = bundle_open(&c->snapshot, path);
	if (r < 0 && r != -ENOMEM && c->snapshot.notes.len + c->snapshot.notes.dropped == before) {
		sd_note_add(&c->snapshot.notes, true, "bundle", NULL, 0, 0, NULL,
			    "cannot open bundle '%s': %s", path, sd_strerror(r));
	}
	return r;
}

/* ---- which source ---- */

const char *setup_cluster_flag(const struct options *o)
{
	const struct api_flags *f = &o->api;
	const struct {
		const char *name;
		bool given;
	} flags[] = {
		{ "kubeconfig", f->kubeconfig }, { "context", f->context }, { "cluster", f->cluster }, { "user", f->user },
		{ "server", f->server }, { "token", f->token }, { "username", f->username }, { "password", f->password },
		{ "as", f->as }, { "as-group", f->nas_groups > 0 }, { "as-uid", f->as_uid },
		{ "certificate-authority", f->certificate_authority }, { "client-certificate", f->client_certificate },
		{ "client-key", f->client_key }, { "tls-server-name", f->tls_server_name },
		{ "insecure-skip-tls-verify", f->insecure_skip_tls_verify >= 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (flags[i].given) {
			return flags[i].name;
		}
	}
	return NULL;
}

static void trace_request(void *arg, const char *line)
{
	(void)arg;
	complain("%s", line);
}

static int64_t run_limit_ms(const struct options *o)
{
	return o->timeout_ms >= 0 ? o->timeout_ms : RUN_LIMIT_MS;
}

static int open_api(struct context *c)
{
	const struct api_options o = {
		.deadline_ms = run_limit_ms(&c->o),
		.trace = c->o.verbose ? trace_request : NULL,
		.stop = signals_stop(),
		.may_ask = isatty(STDIN_FILENO) == 1,
		.progress = progress_show,
		.kubectl_flags = strbuf_str(&c->kubectl_flags),
		.own_flags = strbuf_str(&c->source_flags),
		.arg = c,
	};
	int r = api_open(&c->access, &o, &c->api);
	if (r == SD_EPARSE || r == SD_EUSAGE) {
		complain_of(c, "bad-server", true, r == SD_EPARSE ? "the server '%s' has no usable host and port"
								  : "'%s' cannot be asked: a name to impersonate holds a control character",
			    c->access.server);
		return CODE_USAGE;
	}
	if (r < 0 && r != -ENOMEM) {
		complain_of(c, "no-client", true, "cannot get ready to ask the API server: %s", sd_strerror(r));
		return CODE_INTERNAL;
	}
	return r;
}

/* The flags that commands in the report need to look at the same cluster. */
static int keep_flags(struct context *c)
{
	struct api_flags flags = c->o.api;
	flags.namespace_ = NULL;
	api_flags_text(&flags, &c->kubectl_flags);
	strbuf_adds(&c->source_flags, strbuf_str(&c->kubectl_flags));
	return c->kubectl_flags.failed || c->source_flags.failed ? -ENOMEM : 0;
}

static int open_cluster(struct context *c)
{
	int r = api_access_load(&c->arena, &c->o.api, &c->snapshot.notes, &c->access);
	setup_tell(c, NULL);
	if (r == -ENOENT) {
		if (!node_decide(c, true)) {
			return c->command->needs & COMMAND_WITHOUT_SOURCE ? 0 : no_source(c);
		}
		return c->o.quiet ? 0 : node_kubeconfigs(c);
	}
	if (r < 0) {
		return r == -ENOMEM ? r : CODE_USAGE;
	}
	r = keep_flags(c);
	(void)node_decide(c, !(c->command->needs & COMMAND_NO_RULES) && (!c->o.axes_given || c->o.axes[AXIS_RULES]));
	return r == 0 ? open_api(c) : r;
}

/* A packet takes its way through rules, of which the API knows nothing: not worth a request. */
static int no_rules_there(struct context *c)
{
	complain_of(c, "no-rules", true, "'%s' needs the rules of a node: %s", c->command->name, SNAP_LIVE_NO_RULES);
	return CODE_INCONCLUSIVE;
}

bool setup_is_log_alone(const struct options *o)
{
	return o->logs.len > 0 && o->bundles.len == 0 && !setup_cluster_flag(o) && !o->live && !o->netns && !o->pid;
}

/* stdin can be read once, and by nobody who sits there. 0 or a usage code. */
static int check_logs(struct context *c)
{
	size_t stdins = c->o.bundles.len > 0 && strcmp(c->o.bundles.v[0], "-") == 0;
	for (size_t i = 0; i < c->o.logs.len; i++) {
		bool is_stdin = strcmp(c->o.logs.v[i], "-") == 0;
		if (is_stdin && (stdins > 0 || isatty(STDIN_FILENO) == 1)) {
			return usage_error(c, stdins > 0 ? "stdin is read once: '-' can only be given once" : "--log - reads a log from stdin, which is a terminal");
		}
		stdins += is_stdin;
	}
	return 0;
}

int setup_open(struct context *c)
{
	const char *env = getenv("SVCDOCTOR_BUNDLE"), *flag = setup_cluster_flag(&c->o);
	if (c->o.logs.len > 0) {
		int bad = check_logs(c);
		if (bad != 0 || setup_is_log_alone(&c->o)) {
			return bad;
		}
	}
	if (flag && c->o.bundles.len > 0) {
		return usage_error(c, "--bundle and --%s exclude each other: a bundle needs no cluster", flag);
	}
	if (c->o.bundles.len == 0 && !flag && env && *env && array_push(&c->o.bundles, env) < 0) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < c->o.bundles.len; i++) {
		if (strcmp(c->o.bundles.v[i], "-") == 0 && (i > 0 || c->o.watch || isatty(STDIN_FILENO) == 1)) {
			return usage_error(c, i > 0	  ? "--bundle - can only be given first: stdin is read once"
					      : c->o.watch ? "--watch reads again and again, and stdin can be read once"
							   : "--bundle - reads a tar archive from stdin, which is a terminal");
		}
		add_source_flag(c, c->o.bundles.v[i]);
	}
	if (c->o.bundles.len > 0) {
		(void)node_decide(c, false);
		return 0;
	}
	int r = open_cluster(c);
	return r == 0 && !c->here.wanted && strcmp(c->command->name, "trace") == 0 ? no_rules_there(c) : r;
}

/* ---- reading ---- */

/* How many of the bundles could be opened is told by the exit code: 0 means all. */
static int read_bundles(struct context *c)
{
	size_t opened = 0, forbidden = 0;
	for (size_t i = 0; i < c->o.bundles.len; i++) {
		int r = open_one(c, c->o.bundles.v[i]);
		if (r == -ENOMEM) {
			return r;
		}
		opened += r >= 0;
		forbidden += r == -EACCES || r == -EPERM;
	}
	if (opened < c->o.bundles.len) {
		c->code = code_join(c->code, CODE_INCONCLUSIVE);
	}
	if (opened == 0) {
		return forbidden == c->o.bundles.len ? CODE_NO_RIGHTS : CODE_INCONCLUSIVE;
	}
	return 0;
}

static const char *run_namespace(const struct context *c)
{
	return c->o.namespace_ ? c->o.namespace_ : c->dns_ns ? c->dns_ns : c->access.namespace_ ? c->access.namespace_ : "default";
}

/* What the command asks of the cluster. */
static struct live_want wanted(const struct context *c)
{
	/* about nodes: a pod of any namespace may be there, and rules are of all Services */
	bool hairpin = c->command == &command_hairpin || c->command == &command_proxy;
	struct live_want w = { .all = c->o.all || hairpin, .namespace_ = run_namespace(c), .services = c->o.args.v,
			       .nservices = c->o.args.len, .node = c->here.wanted ? NULL : c->o.node,
			       .rollouts = c->command == &command_wait && c->o.wait_for == WAIT_ROLLOUT, .proxies = c->command == &command_proxy };
	const char *name = c->command->name;
	if (w.proxies) { /* where only one namespace may be read, that of its pods says most */
		w.namespace_ = "kube-system";
	}
	w.this_node = c->here.wanted || c->command == &command_connect || c->command == &command_dns || c->o.dns; /* whose the client's address is, and where node ports are */
	if (c->here.wanted && strcmp(name, "trace") == 0) { /* whoever has an address of those */
		w.all = true;
		w.nservices = 0;
	}
	bool endpoints = strcmp(name, "endpoints") == 0, rules = strcmp(name, "rules") == 0 || strcmp(name, "verify") == 0 || hairpin;
	w.axes[AXIS_NAME] = !endpoints && !rules && c->command != &command_connect;
	w.axes[AXIS_ENDPOINTS] = !rules;
	w.axes[AXIS_RULES] = !endpoints;
	if (c->o.axes_given) {
		memcpy(w.axes, c->o.axes, sizeof(w.axes));
	}
	return w;
}

int code_of_outcome(enum api_outcome o)
{
	switch (o) {
	case API_OK:
		return CODE_HEALTHY;
	case API_UNAUTHORIZED:
	case API_FORBIDDEN:
	case API_NO_CREDENTIAL:
		return CODE_NO_RIGHTS;
	case API_STOPPED:
		return -EINTR;
	case API_NO_MEMORY:
		return -ENOMEM;
	default:
		return CODE_NO_API;
	}
}

/* Something failed, rather than being refused: what was found is not all. */
static bool something_failed(const struct snapshot *s)
{
	for (size_t i = 0; i < s->missing.len; i++) {
		if (s->missing.v[i].kind >= 0 && s->missing.v[i].why != FORBIDDEN) {
			return true;
		}
	}
	return false;
}

static bool is_limited(const struct context *c)
{
	return c->o.all && c->snapshot.extents[K8S_SERVICES].limited;
}

static int read_cluster(struct context *c)
{
	const struct live_want w = wanted(c);
	enum api_outcome worst = API_OK;
	api_again(c->api, run_limit_ms(&c->o));
	progress_start(c);
	signals_hold();
	int r = live_read(&c->snapshot, c->api, &c->access, &w, &worst);
	progress_clear(c);
	signals_let();
	c->outcome = worst;
	if (r < 0) {
		return r;
	}
	if (something_failed(&c->snapshot) || is_limited(c)) {
		c->code = code_join(c->code, CODE_INCONCLUSIVE);
	}
	return code_of_outcome(worst);
}

/* One of the two is enough to look at; what the other lacks is in the exit code. */
static int join_node(struct context *c, int others, int node)
{
	bool alone = !c->api && c->o.bundles.len == 0;
	if (node < 0 || node == CODE_USAGE) {
		return node;
	}
	if (alone || (others != CODE_HEALTHY && node != CODE_HEALTHY)) {
		return alone ? node : (int)code_join((enum exit_code)others, (enum exit_code)node);
	}
	if (others != CODE_HEALTHY || node != CODE_HEALTHY) {
		c->code = code_join(c->code, CODE_INCONCLUSIVE);
	}
	return CODE_HEALTHY;
}

/* Logs that somebody named: of --node, or of nobody known. One that cannot be read is told; without anything else that is all there is. */
static int read_logs(struct context *c, int code)
{
	size_t read = 0, forbidden = 0;
	for (size_t i = 0; i < c->o.logs.len; i++) {
		int r = log_source_add(&c->snapshot, LOG_KUBE_PROXY, c->o.logs.v[i], c->o.node);
		if (r == -ENOMEM) {
			return r;
		}
		read += r >= 0;
		forbidden += r == -EACCES || r == -EPERM;
	}
	if (read < c->o.logs.len) {
		c->code = code_join(c->code, CODE_INCONCLUSIVE);
	}
	if (read == 0 && c->o.logs.len > 0 && setup_is_log_alone(&c->o)) {
		return forbidden == c->o.logs.len ? CODE_NO_RIGHTS : CODE_INCONCLUSIVE;
	}
	return code;
}

int setup_read(struct context *c)
{
	snapshot_release(&c->snapshot);
	snapshot_init(&c->snapshot);
	c->code = CODE_HEALTHY;
	struct node_reading reading CLEANUP(node_forget);
	node_begin(c, &reading);
	c->snapshot.beside = reading.begun;
	int code = c->api ? read_cluster(c) : c->o.bundles.len > 0 ? read_bundles(c) : CODE_HEALTHY;
	if (code >= 0 && c->here.wanted) {
		code = join_node(c, code, node_read(c, &reading));
	}
	code = code < 0 ? code : read_logs(c, code);
	int r = code < 0 ? code : snapshot_finish(&c->snapshot);
	if (r == 0) {
		r = verify_services_from_rules(&c->snapshot);
	}
	if (r < 0) {
		return r;
	}
	if (!c->hush) {
		setup_tell(c, NULL);
	}
	node_drop_rights(c);
	return code;
}

int setup_snapshot(struct context *c)
{
	int r = setup_open(c);
	return r == 0 ? setup_read(c) : r;
}

int setup_demo(struct context *c)
{
	int r = bundle_open_memory(&c->snapshot, demo_bundle, demo_bundle_size, demo_label);
	if (r < 0) {
		return r;
	}
	add_source_flag(c, demo_label);
	r = snapshot_finish(&c->snapshot);
	if (r == 0) {
		setup_tell(c, NULL);
	}
	return r;
}

static bool want_color(const struct context *c)
{
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	if (c->o.color != COLOR_AUTO) {
		return c->o.color == COLOR_ALWAYS;
	}
	return !(no && *no) && isatty(fileno(c->out)) == 1 && !(term && strcmp(term, "dumb") == 0);
}

void setup_report(struct context *c)
{
	c->report = (struct report){
		.out = c->out,
		.format = (enum report_format)c->o.format,
		.color = want_color(c),
		.quiet = c->o.quiet,
		.verbose = c->o.verbose,
		.command = !c->command ? NULL : c->command->document ? c->command->document : c->command->name,
		.program = c->program,
		.source_flags = strbuf_str(&c->source_flags),
		.kubectl_flags = strbuf_str(&c->kubectl_flags),
		.node_prefix = strbuf_str(&c->node_prefix),
		.dns_flags = strbuf_str(&c->dns_flags),
		.dns_servers = strbuf_str(&c->dns_servers),
		.snapshot = &c->snapshot,
		.namespace_ = run_namespace(c),
		.one_line = c->o.watch,
	};
}
