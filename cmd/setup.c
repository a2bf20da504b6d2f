/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Set-up of a run: bundles into one snapshot, what was wrong with them onto stderr, and what reports need to know. */
#include <errno.h>
#include <unistd.h>

#include <svcdoctor/source.h>

#include "cmd.h"

enum { NOTES_SHOWN = 10 };

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
	size_t shown = 0, left = notes->dropped;
	for (size_t i = 0; i < notes->len; i++) {
		const struct sd_note *n = &notes->v[i];
		if ((c->o.quiet && !n->fatal_to_part) || was_told(told, n)) {
			continue;
		}
		if (shown < NOTES_SHOWN || c->o.verbose) {
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

static int no_bundle(struct context *c)
{
	complain_of(c, "no-bundle", true,
		    "'%s' needs a bundle: this version reads bundles (--bundle PATH, or SVCDOCTOR_BUNDLE)",
		    c->command->name);
	fprintf(stderr,
		"make one with these commands in an empty folder, the first one as root on the node:\n"
		"  iptables-save > iptables-save.txt\n"
		"  kubectl get svc,endpointslices,pods,nodes -A -o json > cluster.json\n"
		"then: %s %s --bundle .\n",
		c->program, c->command->name);
	return CODE_USAGE;
}

/* @path as one word for a shell. */
static void add_quoted(struct strbuf *b, const char *path)
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

int setup_open(struct context *c)
{
	const char *env = getenv("SVCDOCTOR_BUNDLE");
	if (c->o.bundles.len == 0 && env && *env && array_push(&c->o.bundles, env) < 0) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < c->o.bundles.len; i++) {
		add_source_flag(c, c->o.bundles.v[i]);
	}
	return c->o.bundles.len == 0 ? no_bundle(c) : 0;
}

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

int setup_read(struct context *c)
{
	snapshot_release(&c->snapshot);
	snapshot_init(&c->snapshot);
	c->code = CODE_HEALTHY;
	int code = read_bundles(c);
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
		.snapshot = &c->snapshot,
		.namespace_ = c->o.namespace_ ? c->o.namespace_ : "default",
		.one_line = c->o.watch,
	};
}
