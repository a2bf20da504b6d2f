/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_SOURCE_H
#define SVCDOCTOR_SOURCE_H

/* All input: bundles and the readers of each form. A source fills the snapshot. */

#include <signal.h>

#include <svcdoctor/api.h>
#include <svcdoctor/snapshot.h>

/* Limits of untrusted input, in bytes and members. */
#define SOURCE_FILE_MAX (256u << 20)	/* one member, 256 MiB */
#define SOURCE_TOTAL_MAX (2048ull << 20) /* all members of one bundle */
#define SOURCE_MEMBERS_MAX 100000
/* Logs are read in pieces, and nothing of them is kept: of one that is larger, or when all were so much, its beginning and its end count. */
#define SOURCE_LOG_MAX (2048ull << 20)
#define SOURCE_LOGS_MAX (8192ull << 20)
#define SOURCE_LOG_END (64ull << 20)  /* of each that comes behind so many */
#define SOURCE_LOG_CUT_MAX (8u << 20) /* a log that was cut to a number of lines is not larger */

/*
 * iptables-save text, ip6tables-save text (@ip6), or `iptables -S` text. Adds to @rs.
 * @data (NUL-terminated at data[size]) must outlive @rs: texts point into it (ruleset_own_buffer).
 * @def: the backend when no header line names one. @ret: what the text turned out to be.
 * Damage is recorded in @notes with file, line and column; everything readable is used.
 * 0, SD_EFORMAT (this is `iptables -L` output or no such text at all: a note says what to run), -ENOMEM.
 */
struct xtables_text {
	enum rs_backend backend;  /* as the header says, else @def */
	bool backend_said;	  /* a header named it */
	bool empty;		  /* 0 bytes, or comments only */
	bool truncated;		  /* a table without COMMIT, or a line cut off */
	bool damaged;		  /* at least one line could not be read */
	bool legacy_warning;	  /* "# Warning: iptables-legacy tables present" */
	bool incompatible;	  /* "# Table 'x' is incompatible, use 'nft' tool." */
	size_t rules;
};
int read_xtables(struct ruleset *rs, const char *data, size_t size, bool ip6, enum rs_backend def, const char *file,
		 struct sd_notes *notes, struct xtables_text *ret);

/*
 * `ipset save` text: the sets are added to @rs. Nothing of @data is kept. @cut: its end is missing. A set of which something could
 * not be read is there, and marked as damaged; a note says where. 0 or -ENOMEM.
 */
struct ipset_text {
	bool empty;   /* no set at all */
	bool damaged; /* at least one line could not be read */
	size_t sets;
};
int read_ipset(struct ruleset *rs, const char *data, size_t size, const char *file, bool cut, struct sd_notes *notes,
	       struct ipset_text *ret);

/*
 * `nft -j list ruleset`: native tables of the families ip, ip6 and inet, added to @rs. After the texts of iptables-nft-save: a
 * table that one of them holds is in @rs, says more there, and is left out here. Nothing of @data is kept. Damage is recorded in
 * @notes; everything readable is used. 0, SD_EPARSE: nothing could be read (noted), -ENOMEM.
 */
struct nft_text {
	bool empty;		  /* nothing in it acts on packets, but for what is left out */
	bool damaged;		  /* some of it could not be read */
	bool xtables_here;	  /* it holds tables of iptables that no text showed */
	const char *not_modelled; /* "bridge filter": the first table of another family that acts on packets; NULL: none. In the arena of @rs */
	size_t rules;		  /* that were taken from it */
	size_t proxy_rules[2];	  /* of the tables kube-proxy of IPv4, IPv6 */
};
int read_nft(struct ruleset *rs, const char *data, size_t size, const char *file, struct sd_notes *notes, struct nft_text *ret);

/*
 * `ipvsadm -Sn` or `ipvsadm -ln` text, whichever it is: virtual servers are added to @rs. Nothing of @data is kept. Of a ruleset that
 * has read the other form already, -Sn says what there is and -ln how many connections each server has; where the two say different
 * things a note tells it. @cut: the end is missing. 0, SD_EFORMAT (a table of another form, with a note), -ENOMEM.
 */
struct ipvs_text {
	bool empty;   /* no virtual server */
	bool damaged; /* at least one line could not be read */
	bool twice;   /* the same form was read before: this one is not used */
	size_t servers;
};
int read_ipvsadm(struct ruleset *rs, const char *data, size_t size, const char *file, bool cut, struct sd_notes *notes,
		 struct ipvs_text *ret);

/* ip -j addr | link | route (table all) | rule | neigh, bridge -j fdb show. 0, SD_EPARSE with a note, -ENOMEM. Parts that are readable are kept. */
int read_ip_addr(struct node_facts *f, const char *data, size_t size, const char *file, struct sd_notes *notes);
int read_ip_link(struct node_facts *f, const char *data, size_t size, const char *file, struct sd_notes *notes);
int read_ip_route(struct node_facts *f, const char *data, size_t size, const char *file, struct sd_notes *notes);
int read_ip_rule(struct node_facts *f, const char *data, size_t size, const char *file, struct sd_notes *notes);
int read_ip_neigh(struct node_facts *f, const char *data, size_t size, const char *file, struct sd_notes *notes);
int read_bridge_fdb(struct node_facts *f, const char *data, size_t size, const char *file, struct sd_notes *notes);
/* ss -lntu, with or without -p; lines of other kinds of sockets are passed over. 0, SD_EPARSE with a note, -ENOMEM. */
int read_ss(struct node_facts *f, const char *data, size_t size, const char *file, struct sd_notes *notes);
int read_sysctl(struct node_facts *f, const char *data, size_t size, const char *file, struct sd_notes *notes);

/*
 * A kubelet's configuration: the answer of /configz ({"kubeletconfig": {...}}) or a KubeletConfiguration, as JSON. What is neither gets a
 * note. 0 or -ENOMEM.
 */
int read_kubelet_config(struct snapshot *s, const char *node, const char *data, size_t size, const char *file);
/* A file of /etc/cni/net.d, called @name there: a list of plugins or one alone, as JSON. What is neither gets a note. 0 or -ENOMEM. */
int read_cni(struct snapshot *s, const char *node, const char *name, const char *data, size_t size, const char *file);
/* Text of a file: the first line is the status of HTTP, the rest the answer. @data ends with NUL. 0 (also with a note) or -ENOMEM. */
int read_probe(struct snapshot *s, const char *what, const char *ns, const char *pod, const char *data, size_t size, const char *file);
/* An answer with its status; the first line of @body (NUL behind @len) is kept, cleaned. 0 or -ENOMEM. */
int probe_add(struct snapshot *s, const char *what, const char *ns, const char *pod, int status, const char *body, size_t len);

/*
 * A log, from a file of any size or ("-") from stdin until it ends. Texts lie in @arena; log_summary_release frees the rest. 0; -ENOMEM; -errno
 * or SD_EFORMAT with a note in @notes: it cannot be opened or read, or is compressed.
 */
int log_source_read(struct arena *arena, enum log_program program, const char *path, struct log_summary *ret, struct sd_notes *notes);
/* The same into the snapshot, as the log of @node; NULL: of nobody known. What it says of kube-proxy there (mode, flags) is used. */
int log_source_add(struct snapshot *s, enum log_program program, const char *path, const char *node);

/* One JSON document of the folder cluster/: items decoded one by one into @s. @name: the file's base name ("services.json"). */
int read_cluster_json(struct snapshot *s, const char *name, const char *data, size_t size, const char *file);

/*
 * Opens a bundle (a folder, or a .tar.gz or .tar by its contents) and adds it to @s. May be called several times for one snapshot, which is then
 * finished by snapshot_finish. "-": an archive from stdin. A folder that itself holds node files is a bundle of one node, named after the folder.
 * 0; -ENOENT, -EACCES, -ENOTDIR, SD_EFORMAT and so on with a note, when nothing at all could be used; -ENOMEM.
 */
int bundle_open(struct snapshot *s, const char *path);
/* The same from memory: a tar (.gz) archive; @label stands in messages. */
int bundle_open_memory(struct snapshot *s, const void *data, size_t size, const char *label);

/*
 * Hands out the files of a bundle one after the other, as they are, by their names in the layout: those of nodes as "nodes/NODE/FILE", also
 * where the bundle is one node. @fd: an archive that is open already, else -1. What is not of the layout is left out. Damage is in @notes. 0;
 * as bundle_open; or @fn's negative code, which ends it.
 */
typedef int (*bundle_file_fn)(void *arg, const char *path, const char *data, size_t size);
int bundle_each(const char *path, int fd, struct sd_notes *notes, bundle_file_fn fn, void *arg);

/* ---- writing a bundle ---- */

struct bundle_out;
struct bundle_member;
struct bundle_written {
	size_t members;
	uint64_t size; /* bytes: of the archive; of the files, where it is a folder or a pipe */
};
/*
 * @path: an archive where it ends in .tar.gz, .tgz or .tar; "-": an archive to stdout; else a folder. It is written under a temporary name
 * beside @path, and takes the name in bundle_out_finish; until then bundle_out_free leaves nothing of it. What is there already stays:
 * -EEXIST, unless @force, which replaces an archive by an archive and a folder that has a bundle.json by a folder. Whatever fails has a
 * note in @notes, which outlives it. 0, -errno, -ENOMEM.
 */
int bundle_out_open(const char *path, bool force, struct sd_notes *notes, struct bundle_out **ret);
/* A tar archive to a descriptor, which stays the caller's. */
int bundle_out_open_fd(int fd, struct sd_notes *notes, struct bundle_out **ret);
/*
 * A file of the bundle; several may be open. @path is relative to the bundle: SD_EESCAPE (noted) where it is no such name. -EEXIST when a
 * folder has it already. Every member is ended or dropped before bundle_out_finish.
 */
int bundle_out_begin(struct bundle_out *o, const char *path, struct bundle_member **ret);
int bundle_member_write(struct bundle_member *m, const void *data, size_t size);
int bundle_member_restart(struct bundle_member *m); /* forgets what was written */
int bundle_member_end(struct bundle_member *m);	    /* @m is gone in any case */
void bundle_member_drop(struct bundle_member *m);   /* it never was; NULL is nothing */
int bundle_out_add(struct bundle_out *o, const char *path, const void *data, size_t size);
int bundle_out_finish(struct bundle_out *o, struct bundle_written *ret);
void bundle_out_free(struct bundle_out *o);
/* A file without a name in the folder @at, or in the one for temporary files (-1). A descriptor or -errno. */
int source_unnamed_file(int at);

/* ---- the live cluster ---- */

/* What a run wants to know; what is read follows from it (live-plan.c). */
struct live_want {
	bool all;		     /* all namespaces */
	const char *namespace_;	     /* of the run */
	const char *const *services; /* as the user wrote them; none: all of the namespace, or of the cluster */
	size_t nservices;
	bool axes[3];	     /* name, endpoints, rules: asked for */
	const char *node;	     /* --node; NULL: all */
	bool this_node;		     /* a node's rules are judged with it: all Nodes, kube-proxy's configuration */
	bool proxies;		     /* kube-proxy of every node is asked, or of @node, whatever has endpoints there */
	bool rollouts;		     /* the workloads that make the pods of the named Services too */
};

/*
 * Reads from the API server and adds to @s, which is then finished by snapshot_finish. One Service: by its name, its slices by label, its
 * pods by selector, the nodes concerned. What was refused, late or damaged is in @s->kinds and @s->missing, each right once; what failed
 * as a whole has a note. @ret_worst: the outcome that kept everything from being read; API_OK when anything was. 0 or -ENOMEM, -EINTR.
 */
int live_read(struct snapshot *s, struct api *a, const struct api_access *access, const struct live_want *w, enum api_outcome *ret_worst);

/* ---- connections, on request only ---- */

/* To one address and port, @count times. @tries has room for as many. */
struct probe {
	struct ip_addr addr;
	uint16_t port;
	enum snap_try_way way;
	const char *host, *path; /* HTTP: of the request; bytes that do not belong there are the caller's to keep out */
	unsigned count;
	struct snap_try *tries;
};
#define PROBE_PARALLEL_MAX 256
struct probe_options {
	unsigned parallel;  /* tries under way at once, at most PROBE_PARALLEL_MAX */
	int64_t try_ms;	    /* for one try; above 0 */
	int64_t all_ms;	    /* for all of them; 0: no limit */
	const volatile sig_atomic_t *stop; /* not 0: begin no more; may be NULL */
};
/*
 * Sends to what @v names and to nothing else, from the network namespace of the calling thread: TCP connections that are closed when they are
 * made, GET requests of which the status line is read, a datagram, a question to a DNS server. Fills every try. 0, -EINVAL or -ENOMEM.
 */
int probe_run(struct probe *v, size_t n, const struct probe_options *o);
/* The addresses of this network namespace that others can know, sorted: none of loopback, none of a link alone. 0, -errno, -ENOMEM. */
int probe_own_addresses(struct arena *arena, struct ip_addr **ret, size_t *ret_n);
/*
 * For each @v[i].addr, the sockets that listen in the network namespace of this machine that has it: read from /proc of its processes, without
 * going there. What may not be seen stays unknown. 0 or -ENOMEM.
 */
int probe_listeners(struct snap_listeners *v, size_t n);
void probe_listeners_release(struct snap_listeners *v, size_t n);

/* ---- this machine as a node ---- */

struct node_live_want {
	const char *netns; /* a path, or a name of `ip netns`; NULL: see pid */
	pid_t pid;	   /* the network namespace of this process; 0 without netns: the one that this program runs in */
	int64_t limit_ms;  /* what is not begun by then is late; 0: none */
	bool connections;  /* the table of connections, too */
	bool logs;	   /* kube-proxy's log and the kernel's, too; a journal is read by journalctl */
};
/* What the kernel of this machine, and the files on it, say of a node: its part of a bundle. */
struct node_live;
/*
 * Is this machine a node: a kubelet runs here, or has been set up? Told by files and /proc alone, without a right that not everybody
 * has; nothing is sent and no rule is read.
 */
bool node_live_is_here(void);
/*
 * Reads all of it, in a thread of its own where another namespace is entered, so that the caller stays where it is. Each part for itself
 * may be missing. 0; -ENOMEM; a negative code with a note in @notes when the namespace cannot be entered (-EPERM: a right is missing).
 */
int node_live_read(const struct node_live_want *w, struct sd_notes *notes, struct node_live **ret);
void node_live_free(struct node_live *l);
/*
 * The node's name: that of the Node whose name is this machine's, or that has its machine ID, or an address of it; in another namespace only
 * the last. Else (*@ret_known is false) the host name, or what the namespace is called. In @arena; NULL: out of memory.
 */
const char *node_live_name(const struct node_live *l, const struct k8s_cluster *c, struct arena *arena, bool *ret_known);
/* "this node 'n1'", "network namespace 'pod1' of this machine". In @arena. */
const char *node_live_label(const struct node_live *l, const char *name, struct arena *arena);
/* Is any dump of rules there? @ret_lacks: the capability for want of which one is not; NULL: none. */
bool node_live_has_rules(const struct node_live *l, const char **ret_lacks);
/*
 * Adds it to @s as node @name, by the readers of a bundle's files; what another source said of this node's rules and addresses is dropped, with
 * a note. The texts are used up. 0 or -ENOMEM.
 */
int node_live_add(struct snapshot *s, const char *name, struct node_live *l);

/* ---- collecting ---- */

/* What is not in the bundle, though it was asked for. */
struct collect_missing {
	const char *what; /* "nodes", "pods/log", "nodes/node1/sysctl.txt" */
	const char *code; /* of the outcome: "forbidden" */
	const char *text, *hint;
	const char *needs; /* of a node's file: a capability; NULL */
	bool needed;	   /* of a node's file: packets cannot be judged without it */
};
struct collect_report {
	const char *version; /* of the cluster; NULL: not known */
	size_t objects, logs;
	size_t node_files;    /* of this machine's part */
	const char *node;     /* its name; NULL: it is not part of the bundle */
	ARRAY_OF(struct collect_missing) missing;
	bool lacks_needed;	/* little can be judged without what is missing */
	enum api_outcome worst; /* why nothing could be read at all; API_OK when something was */
};
void collect_report_release(struct collect_report *r);
/*
 * Reads the cluster's part of a bundle from the API server, as it gives it, and writes it: lists page by page, ConfigMaps by name, never
 * Secrets, logs of kube-proxy and of the cluster's DNS, what kubelets and kube-proxy answer where that is allowed, and bundle.json.
 * @ns: of this namespace (and of kube-system what every Service depends on); NULL: of the cluster. Strings of @ret lie in @arena. 0,
 * -EINTR when the run was stopped, -ENOMEM, or what @out said, which has its note.
 */
int collect_cluster(struct bundle_out *out, struct api *a, const struct api_access *access, const char *ns, struct arena *arena,
		    struct collect_report *ret);

/*
 * Writes what was read of this machine as nodes/NAME/FILE, each text as it is: 0 bytes where it is known that nothing is there, no file
 * where it is not known, which @ret says. To be called before collect_cluster, whose bundle.json tells of both. 0 or what @out said.
 */
int collect_node_live(struct bundle_out *out, const char *name, struct node_live *l, struct arena *arena, struct collect_report *ret);
/*
 * Writes what DNS said as dns.txt: of a pod (@ns, @pod) beside its resolv.conf, or of @node, whose resolv.conf is among its files. 0 or what @out
 * said.
 */
int collect_dns(struct bundle_out *out, const struct snap_dns *d, const char *node, const char *ns, const char *pod);
/* bundle.json of a bundle that has no cluster. */
int collect_about(struct bundle_out *out, const struct collect_report *r);

/* The POSIX shell script of `collect --script node`. */
extern const char node_script[];
extern const size_t node_script_size;

/*
 * The rights that reading needs, as roles: with @ns those of one namespace first, and what else helps as roles that are optional; else
 * one for the cluster. @proxy: also what asks kubelets and pods through the API server. Everything lies in @arena. 0 or -ENOMEM.
 */
struct k8s_roles {
	struct k8s_role *v;
	size_t len;
};
int rights_roles(struct arena *arena, const char *ns, bool proxy, struct k8s_roles *ret);

/* The recorded broken cluster of `svcdoctor demo`: a .tar.gz in the program. */
extern const unsigned char demo_bundle[];
extern const size_t demo_bundle_size;

/* ---- DNS ---- */

/*
 * Asks all of it over c-ares, several at a time, each of its one server. Fills @ret, one for each question, texts in @arena. It asks in
 * the network namespace of the calling thread. 0, -EINVAL or -ENOMEM; what went wrong with a question stands in its answer.
 *
 * They are sent in their order as far as there is room. The questions of a pair leave from one socket, one behind the other, and once: what is lost
 * is lost. Of the pairs of one server, over one transport, four at most are under way at a time, the next one as soon as one has ended; servers
 * do not wait for each other. So to see loss, give each pair a number of its own.
 */
struct dns_ask_options {
	unsigned parallel;	/* questions, or pairs, at a time, over all servers; 256 at most */
	unsigned tries;		/* of a question over UDP that is not answered, and of no pair; each waits try_ms. Over TCP it is one, which waits as long as all */
	int try_ms, all_ms;	/* all more than 0 */
	const volatile sig_atomic_t *stop; /* NULL: never */
};
int dns_ask(struct arena *arena, const struct dns_question *q, size_t n, const struct dns_ask_options *o, struct dns_answer *ret);
/* A DNS message (RFC 1035) as it came; fills what the message tells. 0, SD_EPARSE: ret->end is GARBAGE and says why; -ENOMEM. */
int dns_message_read(struct arena *arena, const uint8_t *data, size_t size, struct dns_answer *ret);
/* As dig prints it, so that read_dns_text reads the same from it. */
void dns_print_dig(struct strbuf *b, const struct dns_answer *a);
/*
 * What dig, kdig, nslookup (of BIND and of busybox), host and getent print, one after the other, with the command lines or without: answers are
 * added to @ret. 0 (also with notes) or -ENOMEM.
 */
int read_dns_text(struct arena *arena, const char *data, size_t size, const char *file, struct sd_notes *notes, struct snap_dns *ret);

#endif
