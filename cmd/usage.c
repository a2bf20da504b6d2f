/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Usage, --help and the messages about a wrong command line, all from the tables of the commands. */
#include <stdio.h>

#include "cmd.h"

static const char *const examples[][2] = {
	{ "demo", "diagnose a recorded broken cluster" },
	{ "diagnose cart -n shop", "one Service in full" },
	{ "diagnose -A", "what is wrong, and why, in all namespaces" },
	{ "wait cart -n shop --timeout 2m", "after a roll-out: until it is sound" },
	{ "trace outside node1:30080 --bundle lab", "one packet through the rules of a node" },
};

/* A string from outside, harmless for a terminal. */
static void put_clean(FILE *f, const char *s)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_add_clean(&b, s);
	fputs(strbuf_str(&b), f);
}

/* @c NULL: nothing is recorded. */
static void vcomplain(struct context *c, const char *code, bool inconclusive, const char *fmt, va_list ap)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_vaddf(&b, fmt, ap);
	if (!c || !c->hush) {
		fputs("svcdoctor: ", stderr);
		put_clean(stderr, strbuf_str(&b));
		fputc('\n', stderr);
	}
	if (c) {
		sd_note_add(&c->snapshot.notes, inconclusive, code, NULL, 0, 0, NULL, "%s", strbuf_str(&b));
	}
}

void complain(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vcomplain(NULL, NULL, false, fmt, ap);
	va_end(ap);
}

void complain_of(struct context *c, const char *code, bool inconclusive, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vcomplain(c, code, inconclusive, fmt, ap);
	va_end(ap);
}

int usage_error(struct context *c, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vcomplain(c, "usage", true, fmt, ap);
	va_end(ap);
	if (c->hush) {
		return CODE_USAGE;
	}
	if (c->command) {
		fprintf(stderr, "see '%s %s --help'\n", c->program, c->command->name);
	} else {
		fprintf(stderr, "see '%s --help'\n", c->program);
	}
	return CODE_USAGE;
}

const char *nearest_name(const char *text, const char *const *names)
{
	const char *best = NULL;
	unsigned best_distance = (unsigned)MIN(strlen(text) / 3 + 1, (size_t)3) + 1;
	for (size_t i = 0; names[i]; i++) {
		unsigned d = edit_distance(text, names[i], best_distance);
		if (strlen(text) >= 3 && str_starts(names[i], text)) {
			d = 1;
		}
		if (d < best_distance) {
			best_distance = d;
			best = names[i];
		}
	}
	return best;
}

static void print_commands(FILE *f)
{
	for (size_t i = 0; commands[i]; i++) {
		const struct command *cmd = commands[i];
		fprintf(f, "  %-10s  %-26s  %s\n", cmd->name, cmd->arguments, cmd->help);
	}
}

void usage_overview(FILE *f, const char *program)
{
	fprintf(f, "usage: %s COMMAND [OPTION...] [ARGUMENT...]\n\n", program);
	fprintf(f, "Finds out why a Kubernetes Service cannot be reached, and proves it. It only "
		   "reads.\n\nexamples:\n");
	for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
		struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
		strbuf_addf(&b, "%s %s", program, examples[i][0]);
		fprintf(f, "  %-52s  %s\n", strbuf_str(&b), examples[i][1]);
	}
	fputs("\ncommands:\n", f);
	print_commands(f);
	fprintf(f, "\n'%s COMMAND --help' shows the options of a command.\n", program);
}

static void print_option(FILE *f, const struct opt *row)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	if (row->letter) {
		strbuf_addf(&b, "-%c, ", row->letter);
	} else {
		strbuf_adds(&b, "    ");
	}
	strbuf_addf(&b, "--%s%s%s", row->name, row->arg ? " " : "", row->arg ? row->arg : "");
	fprintf(f, "  %-30s  %s", strbuf_str(&b), row->help);
	for (size_t i = 0; row->choices && row->choices[i]; i++) {
		fprintf(f, "%s%s", i ? ", " : ": ", row->choices[i]);
	}
	fputc('\n', f);
}

static bool is_api_row(const struct opt *row)
{
	const struct opt *x = api_rows;
	while (x->name && x != row) {
		x++;
	}
	return x->name != NULL;
}

/* kubectl's flags by name only: who needs one knows it from there, and the manual page tells them all. */
static void print_api_flags(FILE *f)
{
	enum { WIDTH = 100 };
	size_t used = 1;
	fputs("\nand kubectl's flags, which mean what they mean there, with --timeout; see svcdoctor(1):\n ", f);
	for (const struct opt *row = api_rows; row->name && row->help; row++) {
		struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
		strbuf_addf(&b, " --%s%s", row->name, row[1].help ? "," : "");
		if (used + b.len > WIDTH) {
			fputs("\n ", f);
			used = 1;
		}
		fputs(strbuf_str(&b), f);
		used += b.len;
	}
	fputc('\n', f);
}

void usage_command(FILE *f, const char *program, const struct command *cmd)
{
	fprintf(f, "usage: %s %s [OPTION...]%s%s\n\n%s\n\noptions:\n", program, cmd->name,
		*cmd->arguments ? " " : "", cmd->arguments, cmd->help);
	const struct opt *row;
	for (size_t i = 0; (row = command_row(cmd, i)) && !is_api_row(row); i++) {
		print_option(f, row);
	}
	if (cmd->needs & (COMMAND_NEEDS_SNAPSHOT | COMMAND_NEEDS_SOURCE)) {
		print_api_flags(f);
	}
	if (cmd->needs & COMMAND_NEEDS_SNAPSHOT) {
		fprintf(f, "\nWithout --bundle, the bundle that SVCDOCTOR_BUNDLE names is read, else the cluster is asked,\n"
			"and this machine's kernel where it is a node.\n");
	}
	fprintf(f, "\nMore in the manual page svcdoctor-%s(1).\n", cmd->name);
}
