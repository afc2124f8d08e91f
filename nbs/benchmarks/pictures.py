"""Pictures for benchmarks beyond Kodak: a page of text, made here, and scientific captures out of the package scikit-image."""
from importlib.util import find_spec
from pathlib import Path
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from implicit_compress.image import load_image

LINES = ('A coordinate network is a function from a place to a colour.', 'Its weights are the file: nothing else is stored.', 'Функция, которая рисует картинку.',
         'Μια συνάρτηση που ζωγραφίζει μια εικόνα.', 'Edges of letters are where a smooth function has to work hardest,', 'and where a dictionary of repeated shapes is at its best.')
CAPTURES = {'cell': 'cell.png', 'page': 'page.png', 'moon': 'moon.png', 'microaneurysms': 'microaneurysms.png', 'ihc': 'ihc.png', 'hubble': 'hubble_deep_field.jpg', 'retina': 'retina.jpg'}

def font(size):
    "DejaVu Sans, which matplotlib brings"
    import matplotlib
    return ImageFont.truetype(str(Path(matplotlib.get_data_path())/'fonts'/'ttf'/'DejaVuSans.ttf'), size)

def text_page(h=480, w=640):
    "A page in three scripts and several sizes, with a table and a drawing: (h,w,1) uint8"
    im = Image.new('L', (w, h), 255)
    d, y = ImageDraw.Draw(im), 14
    for size in (20, 13, 11, 16, 9):
        for line in LINES:
            if y > h - 120: break
            d.text((18, y), line, 0, font(size)); y += round(1.5*size)
        y += 6
    for i in range(4): d.line((18, h - 96 + 24*i, w//2, h - 96 + 24*i), 0)
    for j in range(5): d.line((18 + j*(w//2 - 18)//4, h - 96, 18 + j*(w//2 - 18)//4, h - 24), 0)
    for i in range(3):
        for j in range(4): d.text((26 + j*(w//2 - 18)//4, h - 92 + 24*i), f'{(7*i + 3*j + 1)**2/10:.1f}', 0, font(12))
    d.ellipse((w*.62, h - 110, w*.82, h - 20), outline=0, width=2); d.line((w*.6, h - 20, w*.9, h - 100), 0, 2)
    return np.array(im)[..., None]

def screenshot(h=360, w=480):
    "A window with text, buttons and flat colours: (h,w,3) uint8"
    im = Image.new('RGB', (w, h), (238, 240, 244))
    d = ImageDraw.Draw(im)
    d.rectangle((0, 0, w, 28), (45, 84, 160)); d.text((10, 5), 'implicit_compress', 'white', font(14))
    for i, c in enumerate(((214, 69, 65), (46, 160, 67), (240, 180, 40))): d.rounded_rectangle((16 + 130*i, 44, 130 + 130*i, 74), 6, c); d.text((44 + 130*i, 50), ('Stop', 'Encode', 'Compare')[i], 'white', font(13))
    for i, line in enumerate(LINES*2): d.text((16, 92 + 20*i), line, (30, 34, 40), font(12))
    return np.array(im)

def captures():
    "Name and samples of the scientific pictures that scikit-image ships (its data/README names their sources; free for this use); asks for the package where it is missing"
    spec = find_spec('skimage')
    if spec is None: raise SystemExit('The scientific pictures come out of a package: pip install --no-deps scikit-image')
    folder = Path(spec.submodule_search_locations[0])/'data'
    return {name: load_image(folder/file) for name, file in CAPTURES.items()}
