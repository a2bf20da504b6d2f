/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Error texts and the bounded list of records that a user must see. */
#include <svcdoctor/base.h>

const char *sd_strerror(int err)
{
	static _Thread_local char buf[128];

	switch (err) {
#define X(name, value, text) case value: return text;
	SD_ERRORS(X)
#undef X
	default:
		/* The GNU form: returns a constant, or fills the buffer. */
		return strerror_r(err < 0 ? -err : err, buf, sizeof(buf));
	}
}

static void note_release(struct sd_note *note)
{
	free(note->text);
	free(note->hint);
	free(note->file);
}

void sd_notes_release(struct sd_notes *n)
{
	for (size_t i = 0; i < n->len; i++)
		note_release(&n->v[i]);
	array_free(n);
	n->dropped = 0;
}

void sd_notes_join(struct sd_notes *n, struct sd_notes *from)
{
	for (size_t i = 0; i < from->len; i++) {
		if (n->len < SD_NOTES_MAX && array_push(n, from->v[i]) == 0)
			continue;
		note_release(&from->v[i]);
		n->dropped++;
	}
	n->dropped += from->dropped;
	array_free(from);
	from->dropped = 0;
}

void sd_note_add(struct sd_notes *n, bool fatal_to_part, const char *code, const char *file, uint32_t line,
		 uint32_t column, const char *hint, const char *fmt, ...)
{
	struct sd_note note = { .fatal_to_part = fatal_to_part, .code = code, .line = line, .column = column };
	va_list ap;
	int r;

	if (n->len >= SD_NOTES_MAX) {
		n->dropped++;
		return;
	}
	va_start(ap, fmt);
	r = vasprintf(&note.text, fmt, ap);
	va_end(ap);
	if (r < 0) {
		n->dropped++;
		return;
	}
	note.file = file ? strdup(file) : NULL;
	note.hint = hint ? strdup(hint) : NULL;
	if (array_push(n, note) < 0) {
		note_release(&note);
		n->dropped++;
	}
}
