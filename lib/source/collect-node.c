/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects this machine's part of a bundle: what the kernel said, as it said it. */

#include <errno.h>

#include "bundle-private.h"
#include "node-live-private.h"

static const char *code_of(const struct node_text *t)
{
	if (t->known == KNOWN)
		return "partial";
	return t->k.state == KERNEL_CHANGED && t->known == UNREADABLE ? "changed" : known_code(t->known);
}

static int miss(const struct node_text *t, const char *node, struct arena *arena, struct collect_report *ret)
{
	const bool forbidden = t->known == FORBIDDEN;
	struct collect_missing m = {
		.what = arena_printf(arena, "nodes/%s/%s", node, t->file),
		.code = code_of(t),
		.hint = forbidden ? "run it as root (sudo), or give it that capability" : NULL,
		.needs = forbidden && t->k.lacks ? arena_strdup(arena, t->k.lacks) : NULL,
		.needed = t->is_fact,
	};

	if (forbidden && t->k.lacks)
		m.text = arena_printf(arena, "the rules of this machine cannot be read without %s", t->k.lacks);
	else
		m.text = arena_printf(arena, "%s: %s", t->file, t->known == KNOWN ? t->k.why : t->why_not);
	if (!m.what || !m.text)
		return -ENOMEM;
	ret->lacks_needed |= t->is_fact;
	return array_push(&ret->missing, m);
}

/* What is not there as a whole is no file, unless its form says "empty", as that of processes does. */
static const char *text_of(const struct node_text *t)
{
	const struct node_file *f = node_file_find(t->file);

	if (t->k.text.len > 0)
		return t->k.text.s;
	if (t->k.state == KERNEL_ABSENT && str_ends(t->file, ".json") && f && node_file_dump(f) < 0)
		return "[]\n";
	return f && (node_file_dump(f) >= 0 || strcmp(t->file, "ps.txt") == 0) ? "" : NULL;
}

static int write_text(struct bundle_out *out, const char *name, const struct node_text *t, struct arena *arena, struct collect_report *ret)
{
	struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT;
	const char *text = t->known == KNOWN ? text_of(t) : NULL;
	int r;

	if (t->known != KNOWN)
		return miss(t, name, arena, ret);
	if (!text)
		return 0;
	if (t->k.partial && (r = miss(t, name, arena, ret)) < 0)
		return r;
	strbuf_addf(&path, "nodes/%s/%s", name, t->file);
	r = path.failed ? -ENOMEM : bundle_out_add(out, path.s, text, t->k.text.len ? t->k.text.len : strlen(text));
	ret->node_files += r == 0;
	return r;
}

int collect_node_live(struct bundle_out *out, const char *name, struct node_live *l, struct arena *arena, struct collect_report *ret)
{
	int r = 0;

	ret->node = name;
	for (size_t i = 0; r == 0 && i < l->texts.len; i++)
		r = write_text(out, name, &l->texts.v[i], arena, ret);
	return r;
}
