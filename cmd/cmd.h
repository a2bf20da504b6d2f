/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_CMD_H
#define SVCDOCTOR_CMD_H

/*
 * What the subcommands share. Each lies in a file of its own and exports one const struct command; main.c finds
 * it, parses the options by the command's own table (options.c), opens what it needs (setup.c), runs it, and
 * checks that everything was written. The same tables make usage, --help (usage.c) and completion (completion.c).
 */

#include <pthread.h>

#include <svcdoctor/api.h>
#include <svcdoctor/base.h>
#include <svcdoctor/checks.h>
#include <svcdoctor/report.h>
#include <svcdoctor/snapshot.h>

#ifndef SVCDOCTOR_VERSION
#define SVCDOCTOR_VERSION "0.1.0"
#endif

enum exit_code {
	CODE_HEALTHY = 0,
	CODE_FINDINGS = 1,
	CODE_INCONCLUSIVE = 2,
	CODE_USAGE = 64,
	CODE_NO_API = 69,
	CODE_INTERNAL = 70,
	CODE_NO_RIGHTS = 77,
};
/* The one of two that goes before the other: 70, 64, 1, 77, 69, 2, 0. */
enum exit_code code_join(enum exit_code a, enum exit_code b);

struct string_list {
	const char **v;
	size_t len, cap;
};

/* A row of a command's option table. */
enum opt_kind {
	OPT_FLAG,   /* bool: --x, --x=true, --x=false */
	OPT_TEXT,   /* const char * */
	OPT_LIST,   /* struct string_list; may be given several times */
	OPT_NUMBER, /* uint32_t, at most `max` */
	OPT_PID,    /* the same, and not 0 */
	OPT_CHOICE, /* int: position in `choices` */
	OPT_AXES,   /* bool[AXIS_COUNT], a comma-separated list of `choices` */
	OPT_TRI,    /* int: --x and --x=true 1, --x=false 0; -1 before */
	OPT_TIME,   /* int64_t, milliseconds: "90s", "1m30s", "500ms", "5" (seconds), "0"; -1 before */
	OPT_MAYBE,  /* const char *, and as in kubectl an empty one is as if it were not given */
	OPT_LEVEL,  /* bool: a number above 0, as kubectl's -v */
};
enum opt_complete {
	COMPLETE_NOTHING, COMPLETE_FILE, COMPLETE_CHECK,
	COMPLETE_NAMESPACE, COMPLETE_NODE, COMPLETE_SERVICE, COMPLETE_PLACE,	/* names of the cluster */
	COMPLETE_CONTEXT, COMPLETE_CLUSTER, COMPLETE_USER,			/* names of the kubeconfig */
};
struct opt {
	char letter;	  /* 0: none */
	const char *name; /* without the dashes; NULL ends the table */
	const char *arg;  /* NULL: takes none */
	const char *help; /* NULL: taken because kubectl has it, and shown nowhere */
	enum opt_kind kind;
	size_t offset; /* in struct options */
	uint32_t max;
	const char *const *choices; /* ends with NULL */
	enum opt_complete complete;
};

struct options {
	bool help, all, quiet, verbose, state;
	struct string_list bundles, ignore, args;
	const char *namespace_, *output_file, *node, *in;
	bool live;	   /* --node live: this machine; node is NULL then, until its name is known */
	const char *netns; /* another network namespace of this machine, or that of a process */
	uint32_t pid;
	int format; /* enum report_format */
	int fail_on, color;
	bool axes[AXIS_COUNT];
	bool axes_given;
	uint32_t mark, sport;
	int64_t timeout_ms; /* of one reading of the cluster; 0: none; -1: not given */
	bool watch;
	int64_t interval_ms; /* between two looks; -1: not given */
	int wait_for;
	struct api_flags api; /* kubectl's; namespace_ and as_groups are filled by options_parse from the above and below */
	struct string_list as_groups;
	struct string_list users, groups, accounts; /* rbac */
	bool proxy;
	const char *write; /* collect */
	int script;	   /* of collect_scripts, 0: none */
	bool force, redact;
	const char *port, *http, *from_netns; /* connect */
	uint32_t count, from_pid;
	bool udp;
	int64_t try_ms; /* -1: not given */
	struct string_list logs; /* proxy */
	struct string_list dns_servers; /* dns, diagnose --dns */
	const char *resolv_conf;
	bool dns, dns_tcp, dns_here;
	uint32_t repeat;
	const char *unused; /* what kubectl's flags say that mean nothing here */
};
enum { FAIL_ON_ERROR, FAIL_ON_WARNING, FAIL_ON_INFO, FAIL_ON_NEVER };
enum { WAIT_ROLLOUT, WAIT_SOUND };
enum { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

extern const char *const choices_format2[], *const choices_format3[], *const choices_format4[], *const choices_roles[];
extern const char *const choices_fail_on[], *const choices_color[], *const choices_axes[];

/* Rows that several commands have, each written once. */
#define OPT_ROW_NAMESPACE \
	{ 'n', "namespace", "NAME", "the namespace to look at (the context's if not given, else 'default')", OPT_MAYBE, \
	  offsetof(struct options, namespace_), 0, NULL, COMPLETE_NAMESPACE }
#define OPT_ROW_ALL \
	{ 'A', "all-namespaces", NULL, "look at all namespaces", OPT_FLAG, offsetof(struct options, all), 0, NULL, \
	  COMPLETE_NOTHING }
#define OPT_ROW_BUNDLE \
	{ 0, "bundle", "PATH", "read a bundle: a folder, a .tar or a .tar.gz (several times: joined)", OPT_LIST, \
	  offsetof(struct options, bundles), 0, NULL, COMPLETE_FILE }
#define OPT_ROW_FORMAT(formats) \
	{ 'o', "output", "FORMAT", "the form of the report", OPT_CHOICE, offsetof(struct options, format), 0, formats, \
	  COMPLETE_NOTHING }
#define OPT_ROW_OUTPUT_FILE \
	{ 0, "output-file", "PATH", "write the report to a file instead of stdout", OPT_TEXT, \
	  offsetof(struct options, output_file), 0, NULL, COMPLETE_FILE }
#define OPT_ROW_AXES \
	{ 0, "axes", "LIST", "ask only these axes, separated by commas", OPT_AXES, offsetof(struct options, axes), 0, \
	  choices_axes, COMPLETE_NOTHING }
#define OPT_ROW_NODE \
	{ 0, "node", "NODE", "look at the rules of this node only; 'live': of this machine", OPT_TEXT, offsetof(struct options, node), 0, NULL, \
	  COMPLETE_NODE }
#define OPT_ROW_NETNS \
	{ 0, "netns", "PATH|NAME", "look at this network namespace of this machine as at a node", OPT_TEXT, \
	  offsetof(struct options, netns), 0, NULL, COMPLETE_FILE }
#define OPT_ROW_PID \
	{ 0, "pid", "PID", "the same with the network namespace of a process", OPT_PID, offsetof(struct options, pid), 4194304, \
	  NULL, COMPLETE_NOTHING }
#define OPT_ROW_FAIL_ON \
	{ 0, "fail-on", "SEVERITY", "exit with 1 from this severity on ('error' if not given)", OPT_CHOICE, \
	  offsetof(struct options, fail_on), 0, choices_fail_on, COMPLETE_NOTHING }
#define OPT_ROW_IGNORE \
	{ 0, "ignore", "CHECK[@NS/NAME]", "leave out a check, everywhere or for one Service; or a file of such lines", \
	  OPT_LIST, offsetof(struct options, ignore), 0, NULL, COMPLETE_CHECK }
#define OPT_ROW_COLOR \
	{ 0, "color", "WHEN", "colour the text ('auto': on a terminal, unless NO_COLOR is set)", OPT_CHOICE, \
	  offsetof(struct options, color), 0, choices_color, COMPLETE_NOTHING }
#define OPT_ROW_QUIET \
	{ 'q', "quiet", NULL, "say only what is wrong, a line each", OPT_FLAG, offsetof(struct options, quiet), 0, \
	  NULL, COMPLETE_NOTHING }
#define OPT_ROW_VERBOSE \
	{ 'v', "verbose", NULL, "leave nothing out", OPT_FLAG, offsetof(struct options, verbose), 0, NULL, \
	  COMPLETE_NOTHING }
#define OPT_ROW_TIMEOUT \
	{ 0, "timeout", "TIME", "give up reading the cluster after this time ('30s' if not given; 0: never)", OPT_TIME, \
	  offsetof(struct options, timeout_ms), 0, NULL, COMPLETE_NOTHING }
#define OPT_ROW_INTERVAL(text) \
	{ 0, "interval", "TIME", text, OPT_TIME, offsetof(struct options, interval_ms), 0, NULL, COMPLETE_NOTHING }
#define OPT_ROW_HELP \
	{ 'h', "help", NULL, "show this help", OPT_FLAG, offsetof(struct options, help), 0, NULL, COMPLETE_NOTHING }
#define OPT_ROW_END { 0, NULL, NULL, NULL, OPT_FLAG, 0, 0, NULL, COMPLETE_NOTHING }

enum {
	COMMAND_NEEDS_SNAPSHOT = 1,
	COMMAND_READS_ITSELF = 2, /* the dispatcher opens only */
	COMMAND_NEEDS_SOURCE = 4, /* no snapshot: the command opens by itself, too */
	COMMAND_KEEPS_RIGHTS = 8, /* it asks the kernel again after the first reading */
	COMMAND_WANTS_FACTS = 16, /* addresses and links of this machine are worth it where its rules may not be read */
	COMMAND_WITHOUT_SOURCE = 64, /* it has something to look at where there is neither a cluster nor a bundle */
	COMMAND_NO_RULES = 32,	  /* a node's rules say nothing that it tells: this machine is only read when asked for */
};

struct context;
struct command {
	const char *name;
	const char *document; /* the command whose report it makes; NULL: its own */
	const char *arguments; /* as usage prints them; "" for none */
	unsigned args_min, args_max;
	const char *help;	   /* one line */
	const char *const *values; /* what its first argument may be, for completion; NULL */
	enum opt_complete complete;
	unsigned needs;
	const struct opt *options;
	/* Returns an exit code, or a negative error. */
	int (*run)(struct context *c);
};
extern const struct command command_diagnose, command_endpoints, command_rules, command_hairpin, command_trace, command_verify,
	command_explain, command_collect, command_connect, command_dns, command_proxy,
	command_rbac, command_wait, command_demo, command_version, command_completion;
extern const struct command *const commands[]; /* ends with NULL */
const struct command *command_find(const char *name);

/* progress.c */
struct progress {
	bool wanted, shown;
	int64_t since_ms, last_ms;
};

/* One run. */
struct context {
	const struct command *command;
	const char *program; /* "svcdoctor", "kubectl svcdoctor" or, as krew installs it, "kubectl service-doctor" */
	struct options o;
	FILE *out;
	struct arena arena;
	struct snapshot snapshot;
	struct strbuf source_flags, kubectl_flags, node_prefix, dns_flags, dns_servers;
	const char *dns_ns; /* whose names the search list there has; NULL */
	struct report report;
	enum exit_code code; /* from set-up: joined with the command's */
	struct api_access access; /* of a live run; its strings lie in the arena above */
	struct api *api;	  /* a live run's, from setup_open on: outlives each reading; NULL: offline */
	enum api_outcome outcome; /* what kept the last reading from everything; API_OK when anything was read, and offline */
	bool hush;		  /* records are made and not said on stderr: whoever looks again and again tells what is new */
	struct progress progress;
	struct {
		bool wanted; /* this machine is read, as a node */
		bool asked;  /* by --node live, --netns or --pid; else because it is one */
		char name[256];
	} here;
};

/*
 * kubectl's flags: every command that needs a snapshot has them beside its own rows. The rows of a command, one after the other:
 * @i from 0; NULL behind the last.
 */
extern const struct opt api_rows[], node_rows[]; /* the second ones: which node */
const struct opt *command_row(const struct command *cmd, size_t i);

/* options.c: fills c->o; CODE_USAGE after a message on stderr, -ENOMEM, or 0. */
int options_parse(struct context *c, int argc, char **argv);
/* The format that is asked for in a command line that is wrong elsewhere: the last good -o, else text. */
enum report_format options_guess_format(const struct command *command, int argc, char **argv);
void options_release(struct options *o);
/*
 * The row of an option that takes a value, as one word of a command line names it, and the value that stands in the same word:
 * "--node=x", "-nx", "-An=x"; *@ret_value is NULL for "--node" and "-n". NULL: the word names none.
 */
const struct opt *options_valued(const struct command *cmd, const char *word, const char **ret_value);
/* Where a command line stands after these words. */
struct opt_place {
	const struct opt *pending; /* this option's value comes next; NULL: none does */
	bool only_args;		   /* "--" was there */
	size_t nargs;
};
struct opt_place options_place(const struct command *cmd, int argc, char **argv);

/* complete.c: prints what the last one of @argv may become; the others stand before it, the command first. */
int complete_run(struct context *c, int argc, char **argv);
/* complete-names.c: @add gets each name. What cannot be read has none, and nothing is said of it. */
typedef void complete_fn(void *arg, const char *name);
/* Services and pods of @ns (NULL: the run's), nodes, namespaces. */
void complete_names(struct context *c, enum k8s_kind kind, const char *ns, complete_fn *add, void *arg);
void complete_kubeconfig(struct context *c, enum api_names what, complete_fn *add, void *arg);

/* usage.c */
void usage_overview(FILE *f, const char *program);
void usage_command(FILE *f, const char *program, const struct command *cmd);
/*
 * "svcdoctor: TEXT" and a line that points at --help, on stderr, and a record for the errors of a JSON document, which
 * main.c writes. Returns CODE_USAGE.
 */
int usage_error(struct context *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The entry of @names (ends with NULL) that is nearest to @text, or NULL when none is near. */
const char *nearest_name(const char *text, const char *const *names);
/* "svcdoctor: TEXT" on stderr. */
void complain(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* The same, and a record for the errors of a JSON document. @inconclusive: an answer lacks something because of it. */
void complain_of(struct context *c, const char *code, bool inconclusive, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* setup.c */
/*
 * Finds out what this run looks at, bundles or a cluster (kubeconfig, or the account of a pod), and gets ready to read it. 0; the exit
 * code when there is nothing to look at, after a message; -ENOMEM.
 */
int setup_open(struct context *c);
/*
 * Reads all of it into c->snapshot, whose earlier contents are released: it may be called again for another look, and --timeout counts
 * from here. Says on stderr what was wrong. 0; the exit code when nothing at all could be read; -ENOMEM; -EINTR: the run was
 * interrupted. What could be read only in part is in c->code, which is set anew. setup_report stands behind it each time.
 */
int setup_read(struct context *c);
/* The first of kubectl's flags that choose a cluster or a user; NULL: none was given. */
const char *setup_cluster_flag(const struct options *o);
/* Is a log all that is looked at: one was given, and nothing beside it? */
bool setup_is_log_alone(const struct options *o);
/* Both, one after the other. */
int setup_snapshot(struct context *c);
/* Says on stderr what is wrong with the snapshot, but for what @told has; NULL: nothing. */
void setup_tell(const struct context *c, const struct sd_notes *told);
/* The same for the built-in bundle. */
int setup_demo(struct context *c);
/* Appends @path as one word for a shell. */
void add_quoted(struct strbuf *b, const char *path);
/* The exit code of a run that could read nothing because of @o, or a negative code. */
int code_of_outcome(enum api_outcome o);
void setup_report(struct context *c);

/* node.c: this machine as a node */
struct node_live;
/* What the command line says of it, checked. 0 or a usage code after a message. */
int node_options(struct context *c);
/* Is it to be read: asked for, or @auto_ and this machine is a node? Then the flags of printed commands say so. */
bool node_decide(struct context *c, bool auto_);
/* "this machine has a kubeconfig:" and the command lines to use them, on stderr. 0 or -ENOMEM. */
int node_kubeconfigs(struct context *c);
/*
 * Reads it beside the cluster, or a bundle: between node_begin and node_read the run's options stay as they are. node_read puts it into the
 * snapshot, before snapshot_finish: 0; an exit code where nothing of it can be judged; -ENOMEM. node_forget ends what nobody wants any more.
 */
struct node_reading {
	const struct context *c;
	pthread_t thread;
	bool begun;
	struct sd_notes notes;
	struct node_live *l;
	int result;
};
void node_begin(const struct context *c, struct node_reading *r);
int node_read(struct context *c, struct node_reading *r);
void node_forget(struct node_reading *r);
/* For collect: read, and its name. 0, an exit code after a message, -ENOMEM. */
int node_gather(struct context *c, struct node_live **ret);
/* Gives up all capabilities, where nothing is read any more. */
void node_drop_rights(const struct context *c);

/* select.c: the Services that a run is about, and those named that are not there. */
struct missing_service {
	const char *name; /* "ns/name" as far as it can be told */
	const char *const *similar;
	size_t nsimilar;
};
struct selection {
	struct service_list list;
	bool all;		    /* no choice was made: all of the cluster */
	const char *namespace_;	    /* no choice was made: all of this namespace */
	bool empty_namespace;	    /* the namespace has no Services and is not known to exist */
	bool unread;		    /* a Service that was named was not read, and may be there */
	ARRAY_OF(struct missing_service) missing;
	ARRAY_OF(struct asked_service) asked; /* those named with a port */
};
void selection_release(struct selection *s);
/* From the command's arguments, -n and -A. 0, a usage code after a message, or -ENOMEM. */
int selection_make(struct context *c, struct selection *ret);
/* The Services for the *_run functions: NULL for all. */
const struct k8s_service *const *selection_services(const struct selection *s);
/* Adds the findings about what is not there. 0 or -ENOMEM. */
int selection_add_missing(const struct selection *s, struct diagnosis *d);
/* --node checked, Services chosen; what was not read is in c->code. 0, a usage code or CODE_INCONCLUSIVE after a message, -ENOMEM. */
int selection_settle(struct context *c, struct selection *ret);
/* What every command over a selection does: --node checked, Services chosen, then @judge. */
int selection_run(struct context *c, int (*judge)(struct context *c, const struct selection *s));
/* --node names a node of the snapshot: 0, or a usage code after a message. */
int check_node_option(struct context *c);

/* signals.c */
void signals_start(void);
/* The flag for api_options.stop: the number of the signal that ends this run. */
const volatile sig_atomic_t *signals_stop(void);
/*
 * From here on a signal is only noted, because something must be put in order: temporary files, plugins, a report that would be cut.
 * signals_let ends that, and dies by the signal that was noted meanwhile.
 */
void signals_hold(void);
void signals_let(void);
/* Nobody reads any more what is written to this pipe or socket. */
bool reader_is_gone(FILE *f);

/* progress.c: around the requests of one reading. */
void progress_start(struct context *c);
void progress_show(void *context, const struct api_counts *n); /* for api_options.progress, whose arg is the context */
void progress_clear(struct context *c);

/* look.c: one look of several. */
struct look {
	struct selection selection;
	struct diagnosis d;
	bool whole; /* nothing was missing that was asked for */
	bool made; /* false: nothing could be looked at, and the snapshot's records say why */
	int code;
	time_t at;
	struct arena keep; /* the context's, while its own serves this look */
};
/* Reads (unless it is read already), chooses, diagnoses. 0, -ENOMEM, -EINTR. @ret must be zeroed; c->code is in @ret->code. */
int look_take(struct context *c, bool read, const bool axes[static AXIS_COUNT], struct look *ret);
void look_release(struct context *c, struct look *l);
/* Waits. False: whoever read what is written to @reader (NULL: nobody is asked) is gone. */
bool look_pause(FILE *reader, int64_t ms);
/* Half of what follows on stdout is never written. False: writing fails. */
bool look_flush(struct context *c);

/* watch.c: diagnose --watch, once the first reading is done. */
int watch_run(struct context *c);

/* diagnose.c, for demo as well: the whole command once the snapshot is there. */
int diagnose_snapshot(struct context *c);
/* diagnose_run over a selection, with what was asked for and is not there. 0 or negative. */
int diagnose_selection(struct context *c, const struct selection *s, const bool axes[static AXIS_COUNT],
		       bool axes_given, struct diagnosis *ret);
/* The exit code that findings and their completeness ask for. */
enum exit_code code_of_diagnosis(const struct options *o, const struct diagnosis *d);
bool severity_counts(const struct options *o, enum severity s);

/* dns-ask.c: what is asked of DNS, and from where. */
struct dns_asked {
	ARRAY_OF(struct connect_left) left;
	bool outside; /* this machine is not in the cluster */
	struct arena arena;
};
void dns_asked_release(struct dns_asked *a);
/* --server, --netns, --pid and their like, checked. 0 or a usage code after a message. */
int dns_check_options(struct context *c);
/* Commands `svcdoctor dns` that are printed ask from where this run asks. 0 or -ENOMEM; setup_report stands behind it. */
int dns_keep_flags(struct context *c);
/* Sets dns_ns by the resolv.conf that names will be asked with, where it has one. 0 or -ENOMEM. */
int dns_find_namespace(struct context *c);
/* Is it asked, or is what a bundle holds judged? */
bool dns_is_asking(const struct context *c);
/*
 * Asks from this machine, or the namespace that was named, and adds the answers to the snapshot, which is finished: all capabilities are given
 * up. @o: the name and the Services. 0; an exit code after a message where the namespace cannot be entered; -ENOMEM.
 */
int dns_ask_from_here(struct context *c, const struct diagnose_options *o, struct dns_asked *ret);

/* trace-names.c, trace-meaning.c, trace-port.c: SRC and DST as a user writes them. */
struct trace_place {
	struct ip_addr addr; /* family 0: not chosen yet, see pod, node, service */
	const struct k8s_pod *pod;
	const struct k8s_node *node;
	const char *node_name; /* where it lives; NULL: not known, or nowhere in particular */
	const struct k8s_service *service;
	bool outside, localhost;
	bool on_node; /* it is the node itself */
	bool has_port, has_proto;
	bool proto_assumed; /* nothing told the protocol: TCP */
	const char *port_name; /* a named port, not resolved yet; NULL */
	uint16_t port;
	uint8_t proto;
};
/* 0, a usage code after a message, or -ENOMEM. */
int trace_place_parse(struct context *c, const char *text, bool is_source, struct trace_place *ret);
/* Picks addresses of one family, the destination's port and protocol. 0, a usage code after a message, or -ENOMEM. */
int trace_places_settle(struct context *c, struct trace_place *src, struct trace_place *dst);
/* Lines that say whose addresses these are: NULL-terminated, in the context's arena; NULL when memory is out. */
const char *const *trace_meaning(struct context *c, const struct trace_place *src, const struct trace_place *dst);
/* The node that has this address itself, by the API or its own files; NULL: none is known to. */
const char *trace_node_of_address(const struct context *c, const struct ip_addr *a);
/* Has the Service this address: ClusterIP, external IP, load balancer? */
bool trace_service_has(const struct k8s_service *s, const struct ip_addr *a);
/* ": ns/pod-0:80, ns/pod-1:80", the first of the Service's endpoints; "" for none. */
const char *trace_pods_of(struct context *c, const struct k8s_service *s);
const char *trace_proto(uint8_t proto); /* "TCP" */
void trace_add_port(struct strbuf *b, const struct k8s_service_port *p); /* "80/TCP 'http'" */
/*
 * Which ports are probably meant, where the destination's is none of a Service there: at most three, in the context's
 * arena. 0 or -ENOMEM.
 */
int trace_port_meant(struct context *c, const struct trace_place *src, const struct trace_place *dst, const struct trace_meant **ret,
		     size_t *ret_n);
/* Does a pod ask its own loopback address? No rule of a node sees that. */
bool trace_own_loopback(const struct trace_place *src, const struct trace_place *dst);

/* The Service's own port that the destination names, or NULL. */
const struct k8s_service_port *trace_port_of(const struct k8s_service *s, const struct trace_place *dst);
/* trace-policy.c: a line for each NetworkPolicy that keeps the client from a pod that it reaches. 0 or -ENOMEM. */
int trace_policies(struct context *c, const struct trace_place *src, const struct follow *f, uint8_t proto, const char *const **ret,
		   size_t *ret_len);

#endif
