// The summaries of runs, requested a few at a time: first those of the rows that are visible.

const BATCH = 10; // runs in one request

export class Summaries {
  constructor(source, changed) {
    Object.assign(this, { source, changed });
    this.known = new Map(); // by run, {latest, summary}
    this.wanted = new Map(); // by run: the run, in order
    this.visible = new Set(); // names of runs
  }

  of({ run }) {
    return this.known.get(run)?.summary ?? null;
  }

  // Requests the summaries of runs that are new or have gone on.
  want(runs) {
    this.wanted = new Map(runs.filter((run) => this.known.get(run.run)?.latest !== run.latest).map((run) => [run.run, run]));
    this.work();
  }

  setVisible(name, isVisible) {
    if (isVisible) this.visible.add(name);
    else this.visible.delete(name);
  }

  next() {
    const all = [...this.wanted.values()];
    const first = all.filter(({ run }) => this.visible.has(run));
    return [...first, ...all.filter(({ run }) => !this.visible.has(run))].slice(0, BATCH);
  }

  async work() {
    if (this.works) return;
    this.works = true;
    for (let batch = this.next(); batch.length; batch = this.next()) {
      for (const { run } of batch) this.wanted.delete(run);
      try {
        const answers = await this.source.summaries(batch.map(({ run }) => run));
        answers.forEach((summary, place) => this.known.set(batch[place].run, { latest: batch[place].latest, summary }));
      } catch {
        // they are requested again at the next update
      }
      this.changed();
    }
    this.works = false;
  }
}
