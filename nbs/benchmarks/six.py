"""Six Kodak images at four rates, with real files: `python nbs/benchmarks/six.py FOLDER [--seconds 165] [--workers 2]`

Every point is fitted in a process of its own on one thread, written to FOLDER, decoded from there in another process, and
measured against the source. One row a point goes to results/siren_six.tsv; points that are there already are not done again.
IMPLICIT_COMPRESS_DATA names the folder that holds kodak/.
"""
import argparse, os, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from threading import Lock

IMAGES,RATES = (1, 5, 8, 15, 20, 23),(.1, .2, .35, .6)
TABLE = Path(__file__).parent/'results'/'siren_six.tsv'
COLUMNS = 'image target_bpp bytes bpp psnr_db encode_s decode_s steps hidden layers date'.split()
ENCODE = """import sys, time
from implicit_compress.codec import compress
t = time.time(); f = compress(sys.argv[1], bpp=float(sys.argv[3]), seconds=float(sys.argv[4]), threads=1, progress=False)
open(sys.argv[2], 'wb').write(f); print(f.fit.step, round(time.time() - t, 1))"""
DECODE = """import sys, time
from pathlib import Path
from implicit_compress.codec import decompress
from implicit_compress.bitstream import peek
from implicit_compress.image import load_image
from implicit_compress.metrics import psnr
data = Path(sys.argv[2]).read_bytes(); t = time.time(); y = decompress(data); s = time.time() - t
print(len(data), 8*len(data)/(y.shape[0]*y.shape[1]), psnr(y, load_image(sys.argv[1])), round(s, 2), peek(data).args['hidden'], peek(data).args['layers'])"""

def run(code, *args):
    p = subprocess.run([sys.executable, '-c', code, *map(str, args)], capture_output=True, text=True, env=dict(os.environ, OMP_NUM_THREADS='1'))
    if p.returncode: raise RuntimeError(p.stderr[-2000:])
    return p.stdout.split()

def point(img, rate, folder, seconds):
    "One row of the table"
    src,out = Path(os.environ['IMPLICIT_COMPRESS_DATA'])/'kodak'/f'kodim{img:02d}.png',folder/f'kodim{img:02d}_{rate}.iic'
    steps,enc = run(ENCODE, src, out, rate, seconds)
    n,bpp,db,dec,hidden,layers = run(DECODE, src, out)
    return f'kodim{img:02d}', rate, n, f'{float(bpp):.5f}', f'{float(db):.3f}', enc, dec, steps, hidden, layers, date.today()

if __name__ == '__main__':
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('folder', type=Path); a.add_argument('--seconds', type=float, default=165); a.add_argument('--workers', type=int, default=2)
    a = a.parse_args()
    a.folder.mkdir(parents=True, exist_ok=True); TABLE.parent.mkdir(exist_ok=True)
    if not TABLE.exists(): TABLE.write_text('\t'.join(COLUMNS) + '\n')
    done,lock = {tuple(l.split('\t')[:2]) for l in TABLE.read_text().splitlines()},Lock()
    def work(job):
        row = '\t'.join(map(str, point(*job, a.folder, a.seconds)))
        with lock, TABLE.open('a') as f: f.write(row + '\n')
        print(row, flush=True)
    jobs = [(i, r) for r in RATES for i in IMAGES if (f'kodim{i:02d}', str(r)) not in done]
    with ThreadPoolExecutor(a.workers) as pool: list(pool.map(work, jobs))
