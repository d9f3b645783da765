/* fleet: see fleet.h. */
#include "cli/fleet.h"
#include "core/descriptors.h"
#include "core/errors.h"
#include "runner/rollout.h"
#include <signal.h>
#include <stdio.h>

/* Nobody comes back to a host, but many may share a jump host. */
enum { IDLE_MS = 1000 };

struct member {
    struct fleet *fleet;
    const json_t *host;
    struct op *op; /* under way */
};

struct fleet {
    const struct fleet_options *options;
    struct loop *loop;
    struct ssh_pool *pool;
    struct member *members;
    struct rollout rollout;
    struct loop_signal *interrupt, *terminate;
    struct fleet_outcome *outcome;
    bool filling;
};

static void fill(struct fleet *fleet);

static void member_done(void *arg, json_t *result, const GError *error)
{
    struct member *member = arg;
    struct fleet *fleet = member->fleet;
    g_clear_pointer(&member->op, op_unref);
    fleet->rollout.ended++;
    if (!fleet->options->ended(fleet->options->arg, member->host, result, error))
        fleet->rollout.failed++;
    fill(fleet);
}

static void start_next(struct fleet *fleet)
{
    struct member *member = &fleet->members[fleet->rollout.started++];
    member->op = op_new(member_done, member);
    struct op *op = op_ref(member->op);
    fleet->options->start(fleet->options->arg, fleet->pool, member->host, op);
    op_unref(op);
}

/* What ends while it is started does not start the next from within. */
static void fill(struct fleet *fleet)
{
    if (fleet->filling)
        return;
    fleet->filling = true;
    while (!fleet->outcome->cancelled && rollout_may_start(&fleet->rollout))
        start_next(fleet);
    fleet->filling = false;
    if (fleet->rollout.started == fleet->rollout.ended)
        loop_stop(fleet->loop);
}

static void on_interrupt(void *arg, int signum)
{
    (void)signum;
    struct fleet *fleet = arg;
    if (fleet->outcome->cancelled) {
        fprintf(stderr, "\nhikeshi %s: left; what ran on hosts may still run\n", fleet->options->command);
        fleet->outcome->left = true;
        loop_stop(fleet->loop);
        return;
    }
    fprintf(stderr, "\nhikeshi %s: cancelling, and waiting until hosts confirm that it stopped; once more to leave\n",
            fleet->options->command);
    fleet->outcome->cancelled = true;
    for (size_t i = 0; i < fleet->rollout.started; i++)
        if (fleet->members[i].op != NULL)
            op_cancel(fleet->members[i].op, ERROR_CANCELLED);
    fill(fleet);
}

static void first_turn(void *arg)
{
    fill(arg);
}

static void fleet_init(struct fleet *fleet, const struct fleet_options *options, struct fleet_outcome *outcome)
{
    size_t count = json_array_size(options->hosts);
    signal(SIGPIPE, SIG_IGN);
    descriptors_raise_limit();
    *fleet = (struct fleet){.options = options, .outcome = outcome, .loop = loop_new()};
    struct ssh_settings settings = *options->ssh;
    settings.idle_ms = IDLE_MS;
    fleet->pool = ssh_pool_new(fleet->loop, &settings);
    fleet->members = g_new0(struct member, count);
    for (size_t i = 0; i < count; i++)
        fleet->members[i] = (struct member){.fleet = fleet, .host = json_array_get(options->hosts, i)};
    rollout_init(&fleet->rollout, options->rollout, count);
    fleet->interrupt = loop_signal_new(fleet->loop, SIGINT, on_interrupt, fleet);
    fleet->terminate = loop_signal_new(fleet->loop, SIGTERM, on_interrupt, fleet);
}

static void fleet_clear(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->rollout.count; i++) {
        if (fleet->members[i].op == NULL)
            continue;
        op_abandon(fleet->members[i].op);
        op_unref(fleet->members[i].op);
    }
    ssh_pool_free(fleet->pool);
    loop_signal_free(fleet->interrupt);
    loop_signal_free(fleet->terminate);
    rollout_clear(&fleet->rollout);
    g_free(fleet->members);
    loop_free(fleet->loop);
}

void fleet_run(const struct fleet_options *options, struct fleet_outcome *ret)
{
    struct fleet fleet;
    *ret = (struct fleet_outcome){.not_started = json_array()};
    fleet_init(&fleet, options, ret);
    loop_post(fleet.loop, first_turn, &fleet);
    loop_run(fleet.loop);
    ret->failed = fleet.rollout.failed;
    for (size_t i = fleet.rollout.started; i < fleet.rollout.count; i++)
        json_array_append(ret->not_started, json_object_get(fleet.members[i].host, "name"));
    fleet_clear(&fleet);
}
