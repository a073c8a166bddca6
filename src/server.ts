import { buildApp } from './app.ts'
import { type Config, ConfigError, loadConfig } from './config.ts'
import { openDeps } from './deps.ts'
import { safeCause } from './platform/http/render-error.ts'

const DRAIN_TIMEOUT_MS = 25_000

/** Starts the server and returns the way to stop it. */
async function start(config: Config): Promise<() => Promise<void>> {
  const deps = await openDeps(config)
  try {
    const app = await buildApp(config, deps)
    const address = await app.listen({ host: config.host, port: config.port })
    process.stdout.write(welcome(address))
    const onJobError = (error: unknown) => deps.logger.error({ err: error }, 'a job failed')
    // Nobody waits for the patterns, the index of questions and the jobs; the first answer must not.
    const jobs = deps.prepare().then(async () => {
      const { startJobs } = await import('./platform/jobs.ts')
      return startJobs(deps.databaseUrl, app.jobs, onJobError)
    })
    jobs.catch(onJobError)
    return async () => {
      await app.close()
      await jobs.then(
        (running) => running.stop(),
        () => {},
      )
      await deps.close()
    }
  } catch (error) {
    await deps.close()
    throw error
  }
}

const welcome = (address: string): string => `
BrainSpark is ready at ${address}

  Swagger UI   ${address}/docs
  ReDoc        ${address}/redoc
  OpenAPI      ${address}/v1/openapi.json

A first request, to copy and paste:

  curl -s ${address}/v1/auth/register -H 'content-type: application/json' -d '{
    "email": "parent@example.com", "password": "SecureP@ss123", "display_name": "Alex Parent",
    "timezone": "America/New_York", "consents": { "terms": true, "privacy": true, "coppa": true } }'

`

/** Ends the process after `stop`: 0 when it drained in time, 1 when it did not. A second signal ends it at once. */
function stopOnSignals(stop: () => Promise<void>): void {
  let stopping = false
  const onSignal = () => {
    if (stopping) process.exit(1)
    stopping = true
    setTimeout(() => process.exit(1), DRAIN_TIMEOUT_MS).unref()
    stop().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}

try {
  stopOnSignals(await start(loadConfig(process.env)))
} catch (error) {
  const text = error instanceof ConfigError ? error.message : `The server could not start: ${(error as Error).message}`
  process.stderr.write(`${text}\n`)
  if (!(error instanceof ConfigError)) process.stderr.write(`${JSON.stringify(safeCause(error), undefined, 2)}\n`)
  process.exit(1)
}
