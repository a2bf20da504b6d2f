/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command table and the dispatcher: set-up and tear-down happen here, once for all commands. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cmd.h"

const struct command *const commands[] = {
	&command_diagnose, &command_dns,  &command_endpoints, &command_rules,	 &command_hairpin,    &command_proxy, &command_trace,
	&command_verify,
	&command_connect,  &command_wait, &command_collect,   &command_explain, &command_rbac,	     &command_demo,  &command_version,
	&command_completion, NULL,
};

const struct command *command_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++) {
		if (strcmp(commands[i]->name, name) == 0) {
			return commands[i];
		}
	}
	return NULL;
}

enum exit_code code_join(enum exit_code a, enum exit_code b)
{
	static const enum exit_code order[] = { CODE_INTERNAL,	CODE_USAGE,  CODE_FINDINGS,
						CODE_NO_RIGHTS, CODE_NO_API, CODE_INCONCLUSIVE };
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		if (a == order[i] || b == order[i]) {
			return order[i];
		}
	}
	return CODE_HEALTHY;
}

/*
 * Nothing that is opened later may become stdin, stdout or stderr. A closed stdout gets a descriptor that cannot be
 * written to, so that the loss of the report is still seen.
 */
static int guard_standard_streams(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY) < 0) {
			return -errno;
		}
	}
	return 0;
}

/* True when all of @f reached its file, or its reader had enough; closes it. */
static bool close_checked(FILE *f, const char *name)
{
	bool failed = ferror(f) != 0;
	errno = 0;
	failed |= fflush(f) != 0;
	int err = errno;
	bool gone = failed && reader_is_gone(f);
	if (fclose(f) != 0 && !failed) {
		failed = true;
		err = errno;
	}
	if (failed && !gone) {
		complain("cannot write to %s: %s", name, err ? sd_strerror(-err) : "write error");
	}
	return !failed || gone;
}

static int unknown_command(struct context *c, const char *name)
{
	const char *names[ARRAY_LEN(commands)] = { NULL };
	for (size_t i = 0; commands[i]; i++) {
		names[i] = commands[i]->name;
	}
	const char *near = nearest_name(name, names);
	if (near) {
		return usage_error(c, "unknown command '%s': did you mean '%s'?", name, near);
	}
	return usage_error(c, "unknown command '%s'", name);
}

static int run_command(struct context *c)
{
	int r = 0;
	if (c->command->needs & COMMAND_NEEDS_SNAPSHOT) {
		r = c->command->needs & COMMAND_READS_ITSELF ? setup_open(c) : setup_snapshot(c);
	}
	setup_report(c);
	bool nothing = r > 0;
	if (r == 0) {
		r = c->command->run(c);
		nothing = r == CODE_USAGE; /* a wrong name or argument: nothing was reported yet */
	}
	if (nothing) {
		int r2 = report_nothing(&c->report);
		r = r2 < 0 ? r2 : r;
	}
	if (r == -EINTR && *signals_stop()) {
		return CODE_INTERNAL; /* main dies by the signal */
	}
	if (r < 0) {
		complain("%s", sd_strerror(r));
		return CODE_INTERNAL;
	}
	return (int)code_join((enum exit_code)r, c->code);
}

/* With the command line parsed: the file for the report, and the command. */
static int run_with_output(struct context *c)
{
	if (c->o.help) {
		usage_command(stdout, c->program, c->command);
		return CODE_HEALTHY;
	}
	if (!c->o.output_file) {
		c->out = stdout;
		return run_command(c);
	}
	c->out = fopen(c->o.output_file, "we");
	if (!c->out) {
		complain_of(c, "output-file", true, "cannot write to '%s': %s", c->o.output_file,
			    sd_strerror(-errno));
		c->out = stdout;
		setup_report(c);
		(void)report_nothing(&c->report);
		return CODE_INTERNAL;
	}
	int code = run_command(c);
	return close_checked(c->out, c->o.output_file) ? code : CODE_INTERNAL;
}

static void context_release(struct context *c)
{
	api_close(c->api);
	options_release(&c->o);
	strbuf_release(&c->source_flags);
	strbuf_release(&c->kubectl_flags);
	strbuf_release(&c->node_prefix);
	strbuf_release(&c->dns_flags);
	strbuf_release(&c->dns_servers);
	snapshot_release(&c->snapshot);
	arena_release(&c->arena);
}

/* The command line is wrong: whoever asked for JSON gets a document all the same. @argv: the command and on. */
static int wrong_command_line(struct context *c, int code, int argc, char **argv)
{
	bool option_first = argv[0][0] == '-';
	c->o.format = (int)options_guess_format(c->command, argc - !option_first, argv + !option_first);
	c->out = stdout;
	setup_report(c);
	if (!c->command && !option_first) {
		c->report.command = argv[0];
	}
	int r = report_nothing(&c->report);
	return r < 0 ? CODE_INTERNAL : code;
}

/*
 * How the user calls this program. kubectl finds `kubectl a-b` as kubectl-a_b and `kubectl a b` as kubectl-a-b, and calls it by its whole
 * path. Another name, or one that kubectl does not make, is that of no plugin.
 */
static const char *program_name(struct context *c, const char *called)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	const char *slash = strrchr(called, '/');
	const char *base = slash ? slash + 1 : called;
	if (!str_starts(base, "kubectl-") || base[strspn(base, letters)]) {
		return "svcdoctor";
	}
	char *name = arena_strdup(&c->arena, base);
	for (char *p = name; p && *p; p++) {
		*p = *p == '-' ? ' ' : *p == '_' ? '-' : *p;
	}
	return name ? name : "svcdoctor";
}

/* kubectl calls kubectl_complete-NAME with the words behind NAME. */
static bool is_completer(const char *called)
{
	const char *slash = strrchr(called, '/');
	return str_starts(slash ? slash + 1 : called, "kubectl_complete-");
}

static int dispatch(struct context *c, int argc, char **argv)
{
	if (argc > 0 && is_completer(argv[0])) {
		return complete_run(c, argc - 1, argv + 1);
	}
	c->program = program_name(c, argc > 0 ? argv[0] : "");
	if (argc < 2) {
		usage_overview(stderr, c->program);
		return CODE_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage_overview(stdout, c->program);
		return CODE_HEALTHY;
	}
	if (strcmp(argv[1], "__complete") == 0) {
		return complete_run(c, argc - 2, argv + 2);
	}
	if (argv[1][0] == '-' && strcmp(argv[1], "--version") != 0) {
		int r = usage_error(c, "the command stands before its options, so not '%s' here", argv[1]);
		return wrong_command_line(c, r, argc - 1, argv + 1);
	}
	c->command = command_find(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
	if (!c->command) {
		return wrong_command_line(c, unknown_command(c, argv[1]), argc - 1, argv + 1);
	}
	int r = options_parse(c, argc - 2, argv + 2);
	if (r < 0) {
		complain("%s", sd_strerror(r));
		return CODE_INTERNAL;
	}
	return r != 0 ? wrong_command_line(c, r, argc - 1, argv + 1) : run_with_output(c);
}

int main(int argc, char **argv)
{
	if (guard_standard_streams() < 0) {
		return CODE_INTERNAL;
	}
	signals_start();
	struct context c = { 0 };
	snapshot_init(&c.snapshot);
	int code = dispatch(&c, argc, argv);
	context_release(&c);
	signals_hold();
	code = close_checked(stdout, "stdout") ? code : CODE_INTERNAL;
	signals_let();
	return code;
}
