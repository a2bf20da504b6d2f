/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BUNDLE_PRIVATE_H
#define BUNDLE_PRIVATE_H

/*
 * What the parts of the bundle reader share. bundle.c opens, bundle-folder.c and bundle-archive.c find the
 * members and read their bytes, bundle-layout.c knows what a member is by its path, bundle-node.c reads the
 * files of a node.
 */

#include <jansson.h>

#include <dirent.h>

#include <svcdoctor/source.h>

struct bundle;
struct node_file;

#define BUNDLE_LOG_LINES 5000 /* collect asks for that many at most (collect-more.c): there may be more before them */

/* Where a member stands in the layout. */
enum member_role {
	MEMBER_OTHER,	/* not of the layout: ignored, never read */
	MEMBER_ABOUT,	/* bundle.json */
	MEMBER_CLUSTER, /* cluster/NAME.json */
	MEMBER_TOP,	/* NAME.json beside the folders: a cluster part if it is one */
	MEMBER_NODE,	/* nodes/NODE/FILE, or FILE where the bundle is one node */
	MEMBER_KEPT,	/* of the layout, and not read by this version: only bundle_each hands it out */
	MEMBER_POD,	/* cluster/pods/NS/POD/FILE */
	MEMBER_LOG,	/* cluster/logs/NS/POD/CONTAINER.log of kube-proxy and the cluster's DNS */
};
struct member {
	enum member_role role;
	char *path;		      /* as messages name it; owned */
	const char *name;	      /* last component of path */
	char *node;		      /* MEMBER_NODE; owned */
	char *ns, *pod;		      /* MEMBER_POD, MEMBER_LOG; owned */
	char *container;	      /* MEMBER_LOG; owned */
	const struct node_file *file; /* MEMBER_NODE */
	bool cut;		      /* the data end too early */
};
void member_release(struct member *m);

/* A nft-ruleset.json that waits for the texts of its node. */
struct nft_seen {
	struct snap_node *node;
	char *data, *path; /* owned */
	size_t size;
	bool cut;
};

struct bundle {
	struct snapshot *s;
	const char *label;	       /* as the user named it */
	const char *node_name;	       /* of a bundle that is one node */
	char *prefix;		       /* archive: the folder that everything lies in; NULL: none */
	size_t members;		       /* seen so far */
	uint64_t total, logs_total;    /* bytes read so far; of logs, which are not kept */
	size_t used;		       /* members that were understood */
	bool full;		       /* SOURCE_TOTAL_MAX or SOURCE_MEMBERS_MAX reached, noted */
	ARRAY_OF(struct nft_seen) nft; /* read when all other members are */
	json_t *about;		       /* bundle.json; NULL */
	bundle_file_fn each;	       /* bundle_each: gets the members instead of the snapshot; NULL */
	void *arg;
	int err;		       /* what it said */
};

/*
 * Finds the role of the member @path (relative, without "." and ".." components). 0 or -ENOMEM; the caller
 * releases @ret.
 */
int bundle_classify(const struct bundle *b, const char *path, struct member *ret);
/*
 * Reads one member's @data (malloc'd, NUL-terminated behind @size), which it takes in any case. 0 or -ENOMEM.
 */
int bundle_use(struct bundle *b, const struct member *m, char *data, size_t size);
/*
 * The member is there and cannot be read: its part of the snapshot is @why. A note was made by the caller. 0
 * or -ENOMEM.
 */
int bundle_mark(struct bundle *b, const struct member *m, enum known why);
/* Counts a member; false when the limit is reached, which is noted once. */
bool bundle_count(struct bundle *b);
/* Whether @size bytes may be read; else notes it for @m. */
bool bundle_admit(struct bundle *b, const char *path, uint64_t size);

/*
 * Logs are not read as a whole. 1: the member is one, and *@ret, which may be NULL for one that is there already, takes its pieces; 0: it is none, or
 * is handed out as it is; -ENOMEM. @ret_max: how much of it is read at most.
 */
struct log_intake;
int bundle_log_begin(struct bundle *b, const struct member *m, struct log_intake **ret, uint64_t *ret_max);
int bundle_log_end(struct bundle *b, const struct member *m, struct log_intake *in, uint64_t size); /* takes @in. 0 or -ENOMEM */

/* bundle-missing.c: what bundle.json says could not be collected, when all members are there. 0 or -ENOMEM. */
int bundle_use_missing(struct bundle *b);

int bundle_read_folder(struct bundle *b, int fd);
/*
 * By descriptor, or from memory when @fd is -1. 0, -ENOMEM, SD_EFORMAT when it is no archive (noted),
 * SD_ETRUNC.
 */
int bundle_read_archive(struct bundle *b, int fd, const void *data, size_t size);

/* ---- names in a folder: bundle-names.c ---- */

struct file_names {
	char **v; /* owned */
	size_t len, cap;
};
int file_names_add(struct file_names *n, const char *name); /* 0 or -ENOMEM */
void file_names_sort(struct file_names *n);		    /* by bytes */
void file_names_release(struct file_names *n);
void close_dir(DIR **d); /* for CLEANUP; *@d may be NULL */

/* ---- files of a node ---- */

const struct node_file *node_file_find(const char *name); /* NULL: none of the layout */
int node_file_dump(const struct node_file *f); /* enum snap_dump; -1: it is none */
/* Is it a log? @ret_log: whose. */
struct snap_log;
bool node_file_log(const struct node_file *f, struct snap_log *ret_log);
int node_file_use(struct bundle *b, const struct member *m, char *data, size_t size);
int node_file_mark(struct bundle *b, const struct member *m, enum known why);
/* Reads xtables text that a user named alone. 0, SD_EFORMAT, -ENOMEM. */
int node_read_xtables(struct snap_node *n, char *data, size_t size, bool ip6, int backend, const char *file,
		      bool cut, struct sd_notes *notes);
/*
 * nft-ruleset.json of @n: it is read now, or at the end, and then @data is taken. 0 or -ENOMEM.
 */
int nft_use(struct bundle *b, struct snap_node *n, const char *path, bool cut, char **data, size_t size);
/* When all members are there. 0 or -ENOMEM. */
int nft_use_all(struct bundle *b);
void nft_forget(struct bundle *b);

/* ---- dns-files.c: what is known of DNS beside the objects. 0 (also with notes) or -ENOMEM ---- */

int dns_conf_use(struct snapshot *s, struct snap_dns *d, const char *data, size_t size, const char *file);
int dns_text_use(struct snapshot *s, struct snap_dns *d, const char *data, size_t size, const char *file);
/* Is it of CoreDNS, or of what stands before it on the nodes? */
bool dns_log_is(const char *pod, const char *container);
/* `conntrack -S` */
int read_conntrack_stats(struct snap_node *n, const char *data, size_t size, const char *file, struct sd_notes *notes);
/*
 * conntrack.c: `conntrack -L`, or /proc/net/nf_conntrack. What @ret held before is gone. @cut: the data end too early. 0 (also with notes) or
 * -ENOMEM.
 */
int read_conntrack_flows(struct snap_flows *ret, const char *data, size_t size, bool cut, const char *file, struct sd_notes *notes);

/* node-kernel.c: lsmod, nstat and their like. 0 or -ENOMEM */
int read_lsmod(struct snapshot *s, struct snap_node *n, const char *data, size_t size);
int read_nstat(struct snapshot *s, struct snap_node *n, const char *data, size_t size);
int read_ethtool(struct snapshot *s, struct snap_node *n, const char *data, size_t size);
int read_lnstat(struct snapshot *s, struct snap_node *n, const char *data, size_t size);
int read_ipvs_timeouts(struct snapshot *s, struct snap_node *n, const char *data, size_t size);
int read_locks(struct snapshot *s, struct snap_node *n, const char *data, size_t size);
int read_recent(struct snapshot *s, struct snap_node *n, const char *data, size_t size);
int read_versions(struct snapshot *s, struct snap_node *n, const char *data, size_t size);

/* proxy-config.c: decodes ConfigMap kube-system/kube-proxy, when it is there, into @s. 0 or -ENOMEM. */
int proxy_config_from_cluster(struct snapshot *s);
/* YAML (or JSON) text of a KubeProxyConfiguration. 0, SD_EPARSE with a note, -ENOMEM. */
int proxy_config_from_yaml(struct arena *arena, const char *text, size_t size, const char *file,
			   struct sd_notes *notes, struct kube_proxy_config *ret);
/*
 * proxy-flags.c: the FLAG lines of kube-proxy's log. @ret is untouched where there are none; where they name a file that holds the configuration, it
 * gets the hostname_override that counts before that file, and nothing else. 0, SD_EPARSE when they make no configuration, -ENOMEM.
 */
int proxy_config_from_flags(struct arena *arena, const char *data, size_t size, struct kube_proxy_config *ret);
/* The same of a command line, its words apart by blanks. */
int proxy_config_from_command(struct arena *arena, const char *command, struct kube_proxy_config *ret);
/* The value of @flag there, the last one of several; false: it is not there, or does not fit. */
bool proxy_command_flag(const char *command, const char *flag, char *value, size_t size);

#endif
