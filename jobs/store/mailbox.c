#include "jobs/store/mailbox.h"

struct mailbox {
    gatomicrefcount references;
    struct loop *loop;
    GMutex mutex;
    GQueue jobs; /* finished, oldest first */
    bool posted; /* a post is under way and will deliver what is sent meanwhile */
};

void store_job_free(struct store_job *job)
{
    g_clear_error(&job->error);
    g_free(job);
}

struct mailbox *mailbox_new(struct loop *loop)
{
    struct mailbox *box = g_new0(struct mailbox, 1);
    g_atomic_ref_count_init(&box->references);
    g_mutex_init(&box->mutex);
    g_queue_init(&box->jobs);
    box->loop = loop;
    return box;
}

void mailbox_unref(struct mailbox *box)
{
    if (!g_atomic_ref_count_dec(&box->references))
        return;
    g_queue_clear_full(&box->jobs, (GDestroyNotify)store_job_free);
    g_mutex_clear(&box->mutex);
    g_free(box);
}

static struct store_job *take(struct mailbox *box)
{
    g_mutex_lock(&box->mutex);
    struct store_job *job = g_queue_pop_head(&box->jobs);
    g_mutex_unlock(&box->mutex);
    return job;
}

void mailbox_deliver(struct mailbox *box)
{
    struct store_job *job;
    while ((job = take(box))) {
        if (job->done)
            job->done(job->arg, job->error);
        store_job_free(job);
    }
}

void mailbox_close(struct mailbox *box)
{
    g_mutex_lock(&box->mutex);
    box->posted = true; /* nobody will post again; what is sent from now on is delivered below */
    g_mutex_unlock(&box->mutex);
    mailbox_deliver(box);
}

static void on_post(void *arg)
{
    struct mailbox *box = arg;
    g_mutex_lock(&box->mutex);
    box->posted = false;
    g_mutex_unlock(&box->mutex);
    mailbox_deliver(box);
    mailbox_unref(box);
}

void mailbox_send(struct mailbox *box, struct store_job *const *jobs, size_t count)
{
    g_mutex_lock(&box->mutex);
    for (size_t i = 0; i < count; i++)
        g_queue_push_tail(&box->jobs, jobs[i]);
    bool post = !box->posted;
    box->posted = true;
    g_mutex_unlock(&box->mutex);
    if (post) {
        g_atomic_ref_count_inc(&box->references);
        loop_post(box->loop, on_post, box);
    }
}
