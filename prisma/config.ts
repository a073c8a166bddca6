import { defineConfig } from 'prisma/config'

// `generate`, `validate` and `format` run in wasm, yet the CLI first looks for a native schema engine and would download
// it. Any existing executable satisfies that check; `prisma migrate` keeps the real one.
const offlineCommands = ['generate', 'validate', 'format']
if (process.argv.some((argument) => offlineCommands.includes(argument))) {
  process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath
}

export default defineConfig({
  schema: 'schema.prisma',
  migrations: { path: 'migrations' },
  datasource: { url: process.env.DATABASE_URL ?? 'postgresql://localhost/unset' },
})
