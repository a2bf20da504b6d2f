/* SPDX-License-Identifier: GPL-2.0-or-later */
/* svcdoctor collect: writes a bundle, of a cluster or of another bundle. What it says goes to stderr: stdout may be the archive. */
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <svcdoctor/redact.h>
#include <svcdoctor/source.h>

#include "cmd.h"

enum { SCRIPT_NONE, SCRIPT_NODE };
static const char *const choices_script[] = { "none", "node", NULL };

static const struct opt options[] = {
	{ 'w', "write", "PATH", "what to write: an archive (.tar.gz, .tgz, .tar), a folder, or - for an archive to stdout", OPT_TEXT,
	  offsetof(struct options, write), 0, NULL, COMPLETE_FILE },
	{ 'n', "namespace", "NAME", "only this namespace, and what every Service needs of kube-system", OPT_TEXT,
	  offsetof(struct options, namespace_), 0, NULL, COMPLETE_NAMESPACE },
	{ 'A', "all-namespaces", NULL, "all namespaces, as without -n", OPT_FLAG, offsetof(struct options, all), 0, NULL, COMPLETE_NOTHING },
	{ 0, "bundle", "PATH", "pack this bundle anew instead of asking a cluster; - reads a tar from stdin", OPT_LIST, offsetof(struct options, bundles), 0, NULL,
	  COMPLETE_FILE },
	{ 0, "redact", NULL, "replace names and addresses, and leave out what could hold more of them", OPT_FLAG,
	  offsetof(struct options, redact), 0, NULL, COMPLETE_NOTHING },
	{ 0, "force", NULL, "replace what is there already", OPT_FLAG, offsetof(struct options, force), 0, NULL, COMPLETE_NOTHING },
	{ 0, "node", "NODE", "'live': this machine's part too, or nothing else where there is no kubeconfig; with --netns its name", OPT_TEXT,
	  offsetof(struct options, node), 0, NULL, COMPLETE_NODE },
	{ 0, "dns", NULL, "ask the cluster's DNS for names of the cluster, from here or with --pid or --netns from a pod, and write the answers",
	  OPT_FLAG, offsetof(struct options, dns), 0, NULL, COMPLETE_NOTHING },
	{ 0, "script", "WHAT", "print a shell script that writes a node's part, from ordinary commands, as a tar to stdout", OPT_CHOICE,
	  offsetof(struct options, script), 0, choices_script, COMPLETE_NOTHING },
	OPT_ROW_TIMEOUT,
	OPT_ROW_QUIET,
	OPT_ROW_VERBOSE,
	OPT_ROW_HELP,
	OPT_ROW_END,
};

enum { LEFT_OUT_SHOWN = 8 };

struct collecting {
	struct context *c;
	struct bundle_out *out;
	struct collect_report report;
	struct sd_notes notes;
	struct bundle_written written;
	bool source_failed; /* it was not the writing */
	bool has_about;	    /* bundle.json is there */
	struct redact *redact;
	struct string_list left_out; /* files; in the context's arena */
	const struct snap_dns *dns; /* what DNS said; NULL: it was not asked, or nothing could be */
	int staged;	    /* what is packed: a live collection that is to be redacted, or stdin; an archive without a name; -1 */
};

/* What a bundle that says nothing of itself gets: by this file it is known as a bundle. */
static const char plain_about[] = "{\"schema\": \"svcdoctor.bundle/1\"}\n";


static void collecting_release(struct collecting *k)
{
	bundle_out_free(k->out);
	redact_free(k->redact);
	array_free(&k->left_out);
	if (k->staged >= 0) {
		(void)close(k->staged);
	}
	collect_report_release(&k->report);
	sd_notes_release(&k->notes);
}

static void say_notes(const struct collecting *k)
{
	for (size_t i = 0; i < k->notes.len; i++) {
		const struct sd_note *n = &k->notes.v[i];
		complain("%s%s%s", n->file ? n->file : "", n->file ? ": " : "", n->text);
	}
}

/* A capability is said once, whatever depends on it. */
static bool is_said(const struct collecting *k, size_t i)
{
	const struct collect_missing *all = k->report.missing.v;
	for (size_t j = 0; all[i].needs && j < i; j++) {
		if (strcmp(all[j].text, all[i].text) == 0) {
			return true;
		}
	}
	return false;
}

static void say_missing(const struct collecting *k)
{
	for (size_t i = 0; i < k->report.missing.len; i++) {
		const struct collect_missing *m = &k->report.missing.v[i];
		if (is_said(k, i)) {
			continue;
		}
		complain("%s", m->text);
		if (m->hint) {
			struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
			strbuf_add_clean(&b, m->hint);
			fprintf(stderr, "  %s\n", strbuf_str(&b));
		}
	}
}

static void add_size(struct strbuf *b, uint64_t size)
{
	if (size < 10240) {
		strbuf_addf(b, "%llu bytes", (unsigned long long)size);
	} else if (size < (10u << 20)) {
		strbuf_addf(b, "%llu KiB", (unsigned long long)(size >> 10));
	} else {
		strbuf_addf(b, "%llu MiB", (unsigned long long)(size >> 20));
	}
}

/* What was written, and what to do with it. */
static void say_summary(const struct collecting *k)
{
	const struct context *c = k->c;
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	bool to_stdout = strcmp(c->o.write, "-") == 0;
	if (c->o.quiet) {
		return;
	}
	strbuf_addf(&b, "%s: ", to_stdout ? "stdout" : c->o.write);
	if (k->report.node) {
		strbuf_addf(&b, "node '%s' (%zu files), ", k->report.node, k->report.node_files);
	}
	if (c->api) {
		strbuf_addf(&b, "%zu objects%s%s", k->report.objects, k->report.version ? " of Kubernetes " : "",
			    k->report.version ? k->report.version : "");
		strbuf_addf(&b, "%s%s, %zu logs, ", c->o.namespace_ ? ", namespace " : "", c->o.namespace_ ? c->o.namespace_ : "", k->report.logs);
	}
	strbuf_addf(&b, "%zu files, ", k->written.members);
	add_size(&b, k->written.size);
	complain("%s", strbuf_str(&b));
	if (!to_stdout) {
		struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT, clean CLEANUP(strbuf_release) = STRBUF_INIT;
		add_quoted(&path, c->o.write);
		strbuf_add_clean(&clean, strbuf_str(&path));
		fprintf(stderr, "next: %s diagnose %s%s --bundle %s\n", c->program, c->o.namespace_ ? "-n " : "-A",
			c->o.namespace_ ? c->o.namespace_ : "", strbuf_str(&clean));
	}
}

/* ---- from a cluster ---- */

/* This machine's part, before the cluster's: what is missing of both is in bundle.json. */
static int collect_here(struct collecting *k)
{
	struct context *c = k->c;
	struct node_live *l = NULL;
	int r = node_gather(c, &l);
	if (r == 0) {
		r = collect_node_live(k->out, c->here.name, l, &c->arena, &k->report);
	}
	node_live_free(l);
	if (r == SD_EESCAPE) {
		complain("'%s' cannot be the name of a node in a bundle: --node NAME gives it another", c->here.name);
		return CODE_USAGE;
	}
	return r;
}

/* ---- DNS ---- */

struct asking {
	struct context *c;
	struct diagnose_options o;
	struct dns_asked asked;
	int result;
};

/* In a thread of its own, which enters the network namespace and gives up all rights; what is written afterwards may need them. */
static void *ask_apart(void *arg)
{
	struct asking *a = arg;
	a->result = dns_ask_from_here(a->c, &a->o, &a->asked);
	return NULL;
}

static int run_apart(struct asking *a)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, ask_apart, a);
	if (r != 0) {
		return -r;
	}
	(void)pthread_join(thread, NULL);
	return a->result;
}

/* The Services of one namespace, whose names are asked for beside kubernetes.default. */
static int own_services(struct context *c, struct diagnose_options *o)
{
	const char *ns = c->o.namespace_ ? c->o.namespace_ : c->access.namespace_ ? c->access.namespace_ : "default";
	const struct k8s_cluster *cluster = &c->snapshot.cluster;
	const struct k8s_service **v = arena_array(&c->arena, const struct k8s_service *, cluster->services.len + 1);
	for (size_t i = 0; v && i < cluster->services.len; i++) {
		if (strcmp(cluster->services.v[i]->meta.ns, ns) == 0) {
			v[o->nservices++] = cluster->services.v[i];
		}
	}
	o->services = v;
	return v ? 0 : -ENOMEM;
}

/* What is asked comes of the cluster's objects. The node is read later, and once. */
static int read_objects(struct context *c)
{
	bool here = c->here.wanted, hush = c->hush;
	c->here.wanted = false;
	c->hush = true;
	int r = c->api ? setup_read(c) : snapshot_finish(&c->snapshot);
	c->here.wanted = here;
	c->hush = hush;
	return r < 0 ? r : 0; /* without objects resolv.conf still says whom to ask */
}

static void tell_asked(const struct asking *a)
{
	for (size_t i = 0; i < a->asked.left.len; i++) {
		complain("DNS: %s not asked: %s", a->asked.left.v[i].what, a->asked.left.v[i].reason);
	}
}

static int ask_names(struct collecting *k)
{
	struct context *c = k->c;
	struct asking a = { .c = c };
	int64_t timeout = c->o.timeout_ms;
	c->o.timeout_ms = timeout > 0 ? timeout : -1; /* all of a cluster takes its time, DNS does not */
	int r = read_objects(c);
	r = r < 0 ? r : own_services(c, &a.o);
	r = r < 0 ? r : run_apart(&a);
	c->o.timeout_ms = timeout;
	tell_asked(&a);
	for (size_t i = 0; r == 0 && i < c->snapshot.dns.len; i++) {
		k->dns = c->snapshot.dns.v[i]->live ? c->snapshot.dns.v[i] : k->dns;
	}
	dns_asked_release(&a.asked);
	if (c->api) {
		api_again(c->api, timeout);
	}
	return r;
}

/* A pod, as the API or its own service account and host name tell; else this node. */
static int write_names(struct collecting *k)
{
	const struct snap_dns *d = k->dns;
	const char *node = k->report.node ? k->report.node : d->where == DNS_FROM_NODE ? d->node : NULL, *pod = d->where == DNS_FROM_POD ? d->pod : NULL;
	char host[64] = "";
	if (d->where == DNS_FROM_HERE && d->ns && gethostname(host, sizeof(host) - 1) == 0 && is_k8s_name(host)) {
		pod = host;
	}
	if (!pod && (!node || k->c->o.from_netns || k->c->o.from_pid)) {
		complain("what DNS said is not in the bundle: %s is neither a node nor a pod that is known", d->label);
		k->report.lacks_needed = true;
		return 0;
	}
	return collect_dns(k->out, d, node, d->ns, pod);
}

/* ---- the cluster ---- */

static int collect_api(struct collecting *k)
{
	struct context *c = k->c;
	progress_start(c);
	int r = collect_cluster(k->out, c->api, &c->access, c->o.namespace_, &c->arena, &k->report);
	progress_clear(c);
	if (*signals_stop()) {
		return -EINTR; /* what was under way is no news */
	}
	if (r < 0 || k->report.worst == API_OK) {
		return r;
	}
	if (k->report.node_files > 0) {
		k->report.lacks_needed = true; /* the node's part is worth it */
		return 0;
	}
	return code_of_outcome(k->report.worst);
}

static int collect_live(struct collecting *k)
{
	struct context *c = k->c;
	int r = c->here.wanted ? collect_here(k) : 0;
	if (r == 0) {
		r = c->api ? collect_api(k) : collect_about(k->out, &k->report);
	}
	if (r == 0 && k->dns) {
		r = write_names(k);
	}
	if (r != -EINTR) {
		say_missing(k);
	}
	return r;
}

/* ---- from a bundle ---- */

static int copy_file(void *arg, const char *path, const char *data, size_t size)
{
	struct collecting *k = arg;
	int r = *signals_stop() ? -EINTR : bundle_out_add(k->out, path, data, size);
	k->source_failed = r == 0;
	k->has_about |= strcmp(path, "bundle.json") == 0;
	return r == SD_EESCAPE ? 0 : r; /* a name that no file may have is left out, and said */
}

static bool reads_stdin(const struct context *c)
{
	return c->o.bundles.len > 0 && strcmp(c->o.bundles.v[0], "-") == 0;
}

/* The bundle that is packed: the one that was named, or what was collected before. */
static int each_file(struct collecting *k, bundle_file_fn fn)
{
	const char *label = reads_stdin(k->c) ? "stdin" : k->staged >= 0 ? "the collected bundle" : k->c->o.bundles.v[0];
	return bundle_each(label, k->staged, &k->notes, fn, k);
}

/* What comes by a pipe is read twice, and is kept where nobody finds it meanwhile. */
static int stage_stdin(struct collecting *k)
{
	char part[16384];
	uint64_t size = 0;
	k->staged = source_unnamed_file(-1);
	for (ssize_t n = 1; k->staged >= 0 && n != 0;) {
		n = read(STDIN_FILENO, part, sizeof(part));
		if (n < 0 && errno == EINTR && !*signals_stop()) {
			continue;
		}
		size += n > 0 ? (uint64_t)n : 0;
		if (n < 0 || size > SOURCE_TOTAL_MAX || (n > 0 && write(k->staged, part, (size_t)n) != n)) {
			int r = *signals_stop() ? -EINTR : size > SOURCE_TOTAL_MAX ? SD_ELIMIT : -errno;
			complain("cannot read stdin into a temporary file: %s", sd_strerror(r));
			return r;
		}
	}
	if (k->staged < 0) {
		complain("there is no room for a temporary file: %s", sd_strerror(k->staged));
		return k->staged;
	}
	return 0;
}

static int add_about(struct collecting *k)
{
	return k->has_about ? 0 : bundle_out_add(k->out, "bundle.json", plain_about, strlen(plain_about));
}

static void count_damage(struct collecting *k)
{
	for (size_t i = 0; i < k->notes.len; i++) {
		k->report.lacks_needed |= k->notes.v[i].fatal_to_part;
	}
}

static int repack(struct collecting *k)
{
	int r = each_file(k, copy_file);
	count_damage(k);
	return r == 0 ? add_about(k) : r;
}

/* ---- redacted ---- */

static int learn_file(void *arg, const char *path, const char *data, size_t size)
{
	struct collecting *k = arg;
	return *signals_stop() ? -EINTR : redact_learn(k->redact, path, data, size);
}

static int redact_one(void *arg, const char *path, const char *data, size_t size)
{
	struct collecting *k = arg;
	struct strbuf name CLEANUP(strbuf_release) = STRBUF_INIT, text CLEANUP(strbuf_release) = STRBUF_INIT;
	if (*signals_stop()) {
		return -EINTR;
	}
	int r = redact_file(k->redact, path, data, size, &name, &text);
	if (r == 0) {
		const char *copy = arena_strdup(&k->c->arena, path);
		return copy ? array_push(&k->left_out, copy) : -ENOMEM;
	}
	return r < 0 ? r : copy_file(k, strbuf_str(&name), strbuf_str(&text), text.len);
}

/* Twice over all files: the first time only the names are learned. */
static int repack_redacted(struct collecting *k)
{
	int r = redact_new(NULL, &k->redact);
	if (r == 0) {
		r = each_file(k, learn_file);
	}
	count_damage(k);
	if (r == 0) {
		sd_notes_release(&k->notes); /* the second time says the same */
		k->notes = (struct sd_notes){ 0 };
		r = redact_learned(k->redact);
	}
	if (r == 0) {
		r = each_file(k, redact_one);
	}
	return r == 0 ? add_about(k) : r;
}

static void say_left_out(const struct collecting *k)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	for (size_t i = 0; i < k->left_out.len && i < LEFT_OUT_SHOWN; i++) {
		strbuf_addf(&b, "%s%s", i ? ", " : "", k->left_out.v[i]);
	}
	if (k->left_out.len > 0 && !k->c->o.quiet) {
		complain("left out, because nobody knows what they tell: %s%s", strbuf_str(&b), k->left_out.len > LEFT_OUT_SHOWN ? ", ..." : "");
	}
}

/* What was collected never lies in the clear where somebody could find it. */
static int collect_staged(struct collecting *k)
{
	struct bundle_out *target = take_ptr(k->out);
	struct bundle_written ignored;
	int r = k->staged = source_unnamed_file(-1);
	if (r < 0) {
		complain("there is no room for a temporary file: %s", sd_strerror(r));
	} else {
		r = bundle_out_open_fd(k->staged, &k->notes, &k->out);
	}
	if (r == 0) {
		r = collect_live(k);
	}
	if (r == 0) {
		r = bundle_out_finish(k->out, &ignored);
	}
	bundle_out_free(k->out);
	k->out = target;
	return r == 0 ? repack_redacted(k) : r;
}

/* ---- both ---- */

static int write_bundle(struct collecting *k)
{
	struct context *c = k->c;
	int r = bundle_out_open(c->o.write, c->o.force, &k->notes, &k->out);
	if (r == 0 && reads_stdin(c)) {
		r = stage_stdin(k);
	}
	if (r == 0) {
		bool live = c->o.bundles.len == 0;
		r = c->o.redact ? (live ? collect_staged(k) : repack_redacted(k)) : live ? collect_live(k) : repack(k);
	}
	return r == 0 ? bundle_out_finish(k->out, &k->written) : r;
}

static int code_of(const struct collecting *k, int r)
{
	if (r == 0) {
		return k->report.lacks_needed ? CODE_INCONCLUSIVE : CODE_HEALTHY;
	}
	if (r > 0 || r == -ENOMEM) {
		return r;
	}
	if (!k->out) {
		return r == -EEXIST ? CODE_USAGE : CODE_INTERNAL;
	}
	return !k->source_failed ? CODE_INTERNAL : r == -EACCES || r == -EPERM ? CODE_NO_RIGHTS : CODE_INCONCLUSIVE;
}

static int check_options(struct context *c)
{
	if (c->o.script != SCRIPT_NONE && (c->o.write || c->o.bundles.len > 0)) {
		return usage_error(c, "--script prints a script and collects nothing: it goes without --write and --bundle");
	}
	if (c->o.script != SCRIPT_NONE && c->o.dns) {
		return usage_error(c, "the script asks DNS where it is run with --dns: sh -s -- --dns");
	}
	if (c->o.script != SCRIPT_NONE) {
		return 0;
	}
	if (!c->o.write) {
		return usage_error(c, "'collect' wants -w PATH: the archive or folder to write");
	}
	if (strcmp(c->o.write, "-") == 0 && isatty(STDOUT_FILENO) == 1) {
		return usage_error(c, "an archive is not written to a terminal: give -w a path, or send stdout elsewhere");
	}
	if (c->o.namespace_ && (!is_k8s_name(c->o.namespace_) || strchr(c->o.namespace_, '.'))) {
		return usage_error(c, "'%s' is no name of a namespace", c->o.namespace_);
	}
	if (c->o.bundles.len > 1) {
		return usage_error(c, "--bundle may be given once here");
	}
	if (c->o.bundles.len > 0 && (c->o.live || c->o.netns || c->o.pid)) {
		return usage_error(c, "--bundle and this machine exclude each other here: collect each, and give --bundle twice to read both");
	}
	if (c->o.bundles.len > 0 && c->o.dns) {
		return usage_error(c, "--bundle and --dns exclude each other: what is packed anew was asked before");
	}
	if (c->o.bundles.len > 0 && c->o.namespace_) {
		return usage_error(c, "--bundle and --namespace exclude each other: a bundle is packed as a whole");
	}
	return 0;
}

/* With --dns another namespace is where it is asked from, a pod's, unless the user says that it is a node's. */
static void take_place(struct context *c)
{
	if (c->o.dns && !c->o.node) {
		c->o.from_netns = c->o.netns;
		c->o.from_pid = c->o.pid;
		c->o.netns = NULL;
		c->o.pid = 0;
	}
}

/* What could not be written is not asked for: DNS packets are seen by others. */
static bool is_there(struct context *c)
{
	struct stat st;
	if (c->o.force || strcmp(c->o.write, "-") == 0 || lstat(c->o.write, &st) < 0) {
		return false;
	}
	complain_of(c, "exists", true, "'%s' is there already (--force replaces it)", c->o.write);
	return true;
}

static int run(struct context *c)
{
	struct collecting k CLEANUP(collecting_release) = { .c = c, .staged = -1, .source_failed = c->o.bundles.len > 0 };
	int r = check_options(c);
	if (r == 0 && c->o.script != SCRIPT_NONE) {
		return fwrite(node_script, 1, node_script_size, c->out) == node_script_size ? 0 : CODE_INTERNAL;
	}
	if (r == 0) {
		(void)unsetenv("SVCDOCTOR_BUNDLE"); /* it is what is read, not what is collected */
		c->o.timeout_ms = MAX(c->o.timeout_ms, (int64_t)0); /* all of a cluster takes its time */
		take_place(c);
		r = setup_open(c);
	}
	if (r == 0 && c->o.dns) {
		r = is_there(c) ? CODE_USAGE : ask_names(&k);
	}
	if (r != 0) {
		return r;
	}
	signals_hold();
	r = write_bundle(&k);
	say_notes(&k);
	if (r == 0) {
		say_left_out(&k);
		say_summary(&k);
	}
	r = code_of(&k, r);
	bundle_out_free(take_ptr(k.out)); /* before the signal that may wait */
	signals_let();
	return r;
}

const struct command command_collect = {
	.name = "collect",
	.arguments = "",
	.help = "writes a bundle: what the API server and this node's kernel say",
	.needs = COMMAND_NEEDS_SOURCE,
	.options = options,
	.run = run,
};
