/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What bundle.json says is missing of a node: whoever collected it tried to read it and could not, or not all of it. That is another thing than
 * a file that nobody collected, which may be taken as empty; and what is judged of the bundle is what was judged of the node itself.
 */

#include <errno.h>
#include <jansson.h>

#include "bundle-private.h"

#define ENTRIES_MAX 4096

/* @why is what to do without it; PARTLY_KNOWN: a part is there. NOT_COLLECTED: a code of no known meaning. */
static enum known known_of(const char *code)
{
	static const enum known all[] = { FORBIDDEN, LATE, UNSUPPORTED, UNREADABLE };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (str_is(code, known_code(all[i])))
			return all[i];
	if (str_is(code, "changed"))
		return UNREADABLE;
	return str_is(code, "partial") ? PARTLY_KNOWN : NOT_COLLECTED;
}

/* "FILE: why" */
static const char *without_file(const char *text, const char *file)
{
	const size_t len = strlen(file);

	if (!text || !*text)
		return "it could not be read";
	return strncmp(text, file, len) == 0 && str_starts(text + len, ": ") ? text + len + 2 : text;
}

static bool is_said(const struct sd_notes *notes, const char *text)
{
	for (size_t i = 0; i < notes->len; i++)
		if (str_is(notes->v[i].text, text))
			return true;
	return false;
}

static void say(struct bundle *b, const struct member *m, const json_t *e, enum known why)
{
	const char *text = json_str(e, "text"), *needs = json_str(e, "needs");
	const bool fatal = json_is_true(json_object_get(e, "needed"));
	struct strbuf s CLEANUP(strbuf_release) = STRBUF_INIT;

	if (why != FORBIDDEN) {
		sd_note_add(&b->s->notes, fatal, why == PARTLY_KNOWN ? "partial" : known_code(why), m->path, 0, 0, NULL, "%s", without_file(text, m->name));
		return;
	}
	/* the capability once, whatever depends on it */
	strbuf_addf(&s, "the rules of this machine could not be read without %s", needs ? needs : "more rights");
	if (!is_said(&b->s->notes, strbuf_str(&s)))
		sd_note_add(&b->s->notes, fatal, "forbidden", NULL, 0, 0, "collect it as root", "%s", strbuf_str(&s));
}

/* The dump's reason, as that of a live node. */
static int keep_why(struct bundle *b, const struct member *m, const json_t *e, enum known why, int dump)
{
	struct snap_node *n = snapshot_node(b->s, m->node, true);
	const char *needs = json_str(e, "needs");
	struct arena *a = &b->s->arena;

	if (!n)
		return -ENOMEM;
	n->tried = true;
	if (why == PARTLY_KNOWN) {
		n->dumps[dump] = n->dumps[dump] == KNOWN ? PARTLY_KNOWN : n->dumps[dump];
		n->dump_empty[dump] = false;
		return 0;
	}
	if (n->dumps[dump] != why || n->dump_why[dump])
		return 0;
	n->dump_needs[dump] = why == FORBIDDEN ? arena_clean(a, needs ? needs : "more rights") : "";
	n->dump_why[dump] = why == FORBIDDEN ? arena_printf(a, "it needs %s", n->dump_needs[dump]) : arena_clean(a, without_file(json_str(e, "text"), m->name));
	return n->dump_why[dump] && n->dump_needs[dump] ? 0 : -ENOMEM;
}

static bool is_plain(const char *what)
{
	return str_starts(what, "nodes/") && !strstr(what, "/.") && !strstr(what, "//");
}

static int use_entry(struct bundle *b, const json_t *e)
{
	struct member m CLEANUP(member_release) = { 0 };
	struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT;
	const enum known why = known_of(json_str(e, "code"));
	const char *what = json_str(e, "what");
	int r, dump;

	if (!what || !is_plain(what) || why == NOT_COLLECTED)
		return 0;
	if (b->prefix)
		strbuf_addf(&path, "%s/", b->prefix);
	strbuf_adds(&path, what);
	r = path.failed ? -ENOMEM : bundle_classify(b, path.s, &m);
	if (r < 0 || m.role != MEMBER_NODE)
		return r;
	dump = node_file_dump(m.file);
	if (why != PARTLY_KNOWN && dump >= 0)
		r = bundle_mark(b, &m, why);
	say(b, &m, e, why);
	return r == 0 && dump >= 0 ? keep_why(b, &m, e, why, dump) : r;
}

int bundle_use_missing(struct bundle *b)
{
	const json_t *all = json_object_get(json_obj(b->about, "origin"), "missing");
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(all) && i < ENTRIES_MAX; i++)
		r = use_entry(b, json_array_get(all, i));
	return r;
}
