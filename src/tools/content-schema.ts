// Writes the JSON Schema by which editors complete and check the topic files: `npm run content:schema [-- --check]`.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { TopicFile } from '../learning/content/curriculum.schema.ts'

const file = new URL('../learning/content/topic.schema.json', import.meta.url)
const schema = `${JSON.stringify(z.toJSONSchema(TopicFile, { io: 'input' }), null, 2)}\n`
if (!process.argv.includes('--check')) writeFileSync(file, schema)
else if (!existsSync(file) || readFileSync(file, 'utf8') !== schema) {
  process.stderr.write('topic.schema.json is not what the schema says: run npm run content:schema\n')
  process.exitCode = 1
}
