// Prints how well the local rules do on labelled lines: `npm run eval:safety [-- --misses]`. `--misses` names what went
// wrong, but never of the lines that nothing was learned from.
import { localModerators } from '../../src/safety/moderation/moderation.ts'
import { evaluate, learnedLines, type SafetyFigures, unseenLines } from './evaluate.ts'

const percent = (share: number) => `${(share * 100).toFixed(1)} %`.padStart(9)

function print(name: string, figures: SafetyFigures): void {
  process.stdout.write(`${name}\n${'category'.padEnd(20)}${'lines'.padStart(6)}${'recall'.padStart(9)}${'precision'.padStart(11)}\n`)
  for (const { category, lines, recall, precision } of figures.categories)
    process.stdout.write(`${category.padEnd(20)}${String(lines).padStart(6)}${percent(recall)}${percent(precision).padStart(11)}\n`)
  process.stdout.write(
    `innocent lines ${figures.innocent}, false alarms ${percent(figures.falseAlarms).trim()}; harmful lines stopped ${percent(figures.stopped).trim()}\n`,
  )
  process.stdout.write(`pointing at a caregiver: seen ${percent(figures.caregiverRecall).trim()}, wrongly ${percent(figures.caregiverFalse).trim()}\n\n`)
}

const moderate = localModerators().moderate
const learned = evaluate(moderate, learnedLines())
print('learned from', learned)
print('never seen', evaluate(moderate, unseenLines()))
if (process.argv.includes('--misses')) {
  for (const { category, missed } of learned.categories) for (const line of missed) process.stdout.write(`missed ${category}: ${line}\n`)
  for (const line of learned.alarmed) process.stdout.write(`false alarm: ${line}\n`)
}
