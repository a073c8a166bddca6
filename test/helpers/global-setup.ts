import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestProject } from 'vitest/node'
import { startEmbeddedPostgres } from '../../src/platform/db/embedded.ts'
import { migrate } from '../../src/platform/db/migrate.ts'
import { findRedis } from './redis.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Superuser URL of the run's PostgreSQL, pointing at the migrated template database. */
    templateUrl: string
    /** A real Redis, or empty where none is to be had. */
    redisUrl: string
  }
}

/** One PostgreSQL and, where there is one, one Redis for the whole run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = mkdtempSync(path.join(tmpdir(), 'brainspark-test-'))
  const postgres = await startEmbeddedPostgres({ dataDir: directory, database: 'template_app', ephemeral: true })
  await migrate(postgres.url, 'prisma/migrations')
  const redis = await findRedis(directory)
  project.provide('templateUrl', postgres.url)
  project.provide('redisUrl', redis?.url ?? '')
  return async () => {
    await redis?.stop()
    await postgres.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}
