import type { TestServer } from './server.ts'

/** Does a job's work once, as an instance would when its time has come. */
export async function runJob(server: TestServer, name: string): Promise<void> {
  const job = server.app.jobs.find((candidate) => candidate.name === name)
  if (!job) throw new Error(`there is no job "${name}"`)
  await job.run()
}
