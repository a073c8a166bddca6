import PgBoss from 'pg-boss'

/** Work that is done again and again, by whichever instance comes first. It must bear being done twice, or cut off. */
export interface Job {
  readonly name: string
  /** When, in UTC: minute hour day month weekday. */
  readonly cron: string
  run(): Promise<void>
}

export interface RunningJobs {
  /** Waits for what is running, then stops. */
  stop(): Promise<void>
}

const SCHEMA = 'jobs'
const CONNECTIONS = 2
const POLLING_SECONDS = 10
const LONGEST_RUN_SECONDS = 600
const STOP_TIMEOUT_MS = 10_000

/** Schedules jobs in the PostgreSQL at `url`, in a schema of their own, and works through them; instances share the work. `pollingSeconds` is how often each looks for it. */
export async function startJobs(url: string, jobs: readonly Job[], onError: (error: unknown) => void, pollingSeconds = POLLING_SECONDS): Promise<RunningJobs> {
  const boss = new PgBoss({ connectionString: url, schema: SCHEMA, max: CONNECTIONS, application_name: 'brainspark-jobs' })
  boss.on('error', onError)
  await boss.start()
  for (const job of jobs) {
    // At most one waiting and one active: an instance that was away does not come back to a heap of them.
    await boss.createQueue(job.name, { name: job.name, policy: 'stately', expireInSeconds: LONGEST_RUN_SECONDS, retryLimit: 0 })
    await boss.schedule(job.name, job.cron)
    await boss.work(job.name, { pollingIntervalSeconds: pollingSeconds }, () => job.run().catch(onError))
  }
  return {
    stop: () => boss.stop({ graceful: true, wait: true, timeout: STOP_TIMEOUT_MS }),
  }
}
