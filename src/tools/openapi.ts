// Writes the OpenAPI document that the routes make to openapi/learning.json: `npm run openapi`.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { buildApp } from '../app.ts'
import { loadConfig } from '../config.ts'
import { openDeps } from '../deps.ts'

const dataDir = mkdtempSync(path.join(tmpdir(), 'openapi-'))
const config = loadConfig({ NODE_ENV: 'test', DATA_DIR: dataDir, LOG_LEVEL: 'silent' })
const deps = await openDeps(config)
try {
  const app = await buildApp(config, deps)
  await app.ready()
  mkdirSync('openapi', { recursive: true })
  writeFileSync('openapi/learning.json', `${JSON.stringify(app.swagger(), undefined, 2)}\n`)
  await app.close()
} finally {
  await deps.close()
  rmSync(dataDir, { recursive: true, force: true })
}
