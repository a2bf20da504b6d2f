/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NODE_LIVE_PRIVATE_H
#define NODE_LIVE_PRIVATE_H

/* What node-live.c (the kernel's texts), node-machine.c (what the machine's files say) and collect-node.c share. */

#include <svcdoctor/kernel.h>
#include <svcdoctor/source.h>

#define NODE_NAME_SIZE 254

/* One file of the node's part. */
struct node_text {
	char *file; /* its name below nodes/NAME; owned */
	struct kernel_text k;
	enum known known;
	const char *why_not; /* in words, where it is not known: k.why, or a constant */
	bool is_fact;	     /* without it packets cannot be judged */
};

struct node_live {
	ARRAY_OF(struct node_text) texts;
	char host[NODE_NAME_SIZE]; /* the machine's name, in lower case */
	char *netns;		   /* as the user wrote it; NULL: see pid; owned */
	pid_t pid;
	int libc;	/* enum libc: of the files of that process, or of this machine; -1: not known */
	bool elsewhere; /* another network namespace than that of this program */
};

/* A text that is known; @text is taken, also on failure. 0 or -ENOMEM. */
int node_live_push(struct node_live *l, const char *file, struct strbuf *text);
/* node-machine.c: the machine's name, and the files of the node that say something of its network. 0 or -ENOMEM. */
void node_machine_name(char name[static NODE_NAME_SIZE]);
int node_machine_files(struct node_live *l, struct sd_notes *notes);
/*
 * proxy-live.c: kube-proxy's processes, and what its ports say, in the network namespace of the calling thread; the kernel's texts are there. @end_ms:
 * of the whole reading; 0: none. 0 or -ENOMEM.
 */
int node_proxy_read(struct node_live *l, int64_t end_ms);
/* node-logs.c: kube-proxy's log and the kernel's. 0 or -ENOMEM. */
int node_machine_logs(struct node_live *l);

#endif
