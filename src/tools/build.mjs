// Builds what must be built and nothing else: the Prisma client and, unless --client is given, dist/.
// Plain JavaScript, because it runs before anything is compiled.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const root = path.resolve(import.meta.dirname, '../..')
const client = path.join(root, 'src/platform/db/generated')
const dist = path.join(root, 'dist')
const force = process.argv.includes('--force')
const require = createRequire(import.meta.url)

/** Hash of the contents of files and folders, the generated client left out. */
function fingerprint(...entries) {
  const hash = createHash('sha256')
  const add = (entry) => {
    if (entry === client) return
    const children = readdirSync(entry, { withFileTypes: true })
    for (const child of children.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const file = path.join(entry, child.name)
      if (child.isDirectory()) add(file)
      else hash.update(file).update('\0').update(readFileSync(file))
    }
  }
  for (const entry of entries) {
    const file = path.join(root, entry)
    if (existsSync(file)) path.extname(file) ? hash.update(readFileSync(file)) : add(file)
  }
  return hash.digest('hex')
}

/** Runs `work` unless the stamp says that its inputs have not changed since. */
async function unlessFresh(stamp, inputs, work) {
  if (!force && existsSync(stamp) && readFileSync(stamp, 'utf8') === inputs) return
  await work()
  mkdirSync(path.dirname(stamp), { recursive: true })
  writeFileSync(stamp, inputs)
}

const run = (packageName, bin, ...args) => {
  const manifest = require.resolve(`${packageName}/package.json`)
  const script = path.join(path.dirname(manifest), JSON.parse(readFileSync(manifest, 'utf8')).bin[bin])
  const { status, stdout } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' })
  if (status === 0) return
  process.stderr.write(stdout)
  process.exit(1)
}

/** Makes of the content what every start of the built server reads: the checked sources, and what the search learns of them. */
async function keepContent() {
  const built = (file) => import(pathToFileURL(path.join(dist, 'learning', file)).href)
  const { build } = await built('curriculum/kept.js')
  const { parseSources } = await built('curriculum/sources.js')
  const { loadCurriculum } = await built('curriculum/curriculum.js')
  const { learnPassages } = await built('tutor/retrieval.js')
  const { loadWordVectors } = await built('tutor/word-vectors.js')
  build('curriculum', parseSources)
  build('passages', () => learnPassages(loadCurriculum(), loadWordVectors()))
}

await unlessFresh(path.join(client, '.stamp'), fingerprint('prisma/schema.prisma', 'package-lock.json'), () => {
  run('prisma', 'prisma', 'generate', '--config', 'prisma/config.ts')
})

if (!process.argv.includes('--client')) {
  await unlessFresh(
    path.join(dist, '.stamp'),
    fingerprint('src', 'prisma/schema.prisma', 'prisma/migrations', 'tsconfig.json', 'package-lock.json'),
    async () => {
      rmSync(dist, { recursive: true, force: true })
      run(
        'typescript',
        'tsc',
        '--noEmit',
        'false',
        '--outDir',
        dist,
        '--rootDir',
        path.join(root, 'src'),
        '--project',
        path.join(root, 'src/tsconfig.build.json'),
      )
      for (const content of ['learning/content', 'safety/content'])
        cpSync(path.join(root, 'src', content), path.join(dist, content), {
          recursive: true,
          filter: (file) => !file.endsWith('.ts') && path.basename(file) !== 'lines',
        })
      await keepContent()
      cpSync(path.join(root, 'prisma/migrations'), path.join(dist, 'migrations'), { recursive: true })
      mkdirSync(path.join(dist, 'assets'), { recursive: true })
      copyFileSync(require.resolve('redoc/bundles/redoc.standalone.js'), path.join(dist, 'assets/redoc.standalone.js'))
    },
  )
}
