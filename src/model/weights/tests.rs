use super::*;
use std::io::Write;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bert_tiny").join(name)
}

fn all(checkpoint: &Checkpoint) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let float = |name: &&str| checkpoint.tensors[*name].dtype == DType::F32;
    checkpoint
        .names()
        .filter(float)
        .map(|name| {
            let shape = checkpoint.shape(name).unwrap().to_vec();
            let view = checkpoint.view(name, &shape).unwrap();
            let mut values = vec![0.0; view.elements()];
            view.read(&mut values);
            (name.to_owned(), shape, values)
        })
        .collect()
}

#[test]
fn all_three_formats_hold_the_same_tensors() {
    let reference = all(&Checkpoint::open(&data("model.safetensors")).unwrap());
    assert!(reference.len() > 20);
    for name in ["pytorch_model.bin", "pytorch_model_legacy.bin"] {
        let torch = all(&Checkpoint::open(&data(name)).unwrap());
        for tensor in &reference {
            assert!(torch.contains(tensor), "{name}: {}", tensor.0);
        }
    }
}

/// Every prefix of a file, and every file with one byte changed in its description, is read or refused; none
/// panics, and no prefix is taken for the whole.
#[test]
fn damaged_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["model.safetensors", "pytorch_model.bin", "pytorch_model_legacy.bin"] {
        let bytes = std::fs::read(data(name)).unwrap();
        let path = folder.path().join(name);
        let step = (bytes.len() / 29).max(1);
        for len in (0..bytes.len()).step_by(step) {
            std::fs::write(&path, &bytes[..len]).unwrap();
            let error = Checkpoint::open(&path).err().unwrap().to_string();
            assert!(error.contains(name), "{error}");
        }
        for at in (0..bytes.len().min(6000)).step_by(41) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x55;
            std::fs::write(&path, &changed).unwrap();
            if let Ok(checkpoint) = Checkpoint::open(&path) {
                all(&checkpoint);
            }
        }
    }
}

#[test]
fn a_pickle_that_would_run_code_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pytorch_model.bin");
    let mut archive = zip::ZipWriter::new(File::create(&path).unwrap());
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file("archive/data.pkl", stored).unwrap();
    archive.write_all(b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.").unwrap();
    archive.finish().unwrap();
    let error = Checkpoint::open(&path).err().unwrap();
    assert!(matches!(&error, WeightsError::Forbidden { name, .. } if name == "posix.system"), "{error}");
}

#[test]
fn sizes_that_lie_are_refused_before_memory_is_taken() {
    let entry = |shape: &[usize], strides: Option<&[usize]>, offset, len| RawEntry {
        name: "w".to_owned(),
        dtype: DType::F32,
        shape: shape.to_vec(),
        strides: strides.map(<[usize]>::to_vec),
        offset,
        len,
    };
    let path = Path::new("x.bin");
    let refused = |raw: RawEntry| matches!(raw.check(path, 0, 64), Err(WeightsError::Bounds { .. }));
    assert!(!refused(entry(&[4, 4], None, 0, 64)));
    assert!(!refused(entry(&[4, 4], Some(&[1, 4]), 0, 64)));
    assert!(refused(entry(&[4, 5], None, 0, 64)), "more elements than bytes");
    assert!(refused(entry(&[4, 4], None, 4, 64)), "beyond the file");
    assert!(refused(entry(&[4, 4], None, usize::MAX, 64)), "overflow");
    assert!(refused(entry(&[usize::MAX, 2], None, 0, 64)), "overflow of the element count");
    assert!(refused(entry(&[1 << 40, 1 << 20], Some(&[0, 0]), 0, 64)), "strides of zero");
    assert!(refused(entry(&[4, 4], Some(&[5, 1]), 0, 64)), "strides beyond the storage");
    assert!(refused(entry(&[1; 9], None, 0, 64)), "too many dimensions");
}

#[test]
fn shards_are_found_through_their_index_and_stay_in_their_folder() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::copy(data("model.safetensors"), at("part-1.safetensors")).unwrap();
    let index = |json: &str| {
        std::fs::write(at("model.safetensors.index.json"), json).unwrap();
        Checkpoint::open(folder.path())
    };
    let name = "embeddings.word_embeddings.weight";
    let good = index(&format!(r#"{{"weight_map": {{"{name}": "part-1.safetensors"}}}}"#)).unwrap();
    assert!(good.has(name));
    let missing = index(r#"{"weight_map": {"nothing": "part-1.safetensors"}}"#).err().unwrap();
    assert!(matches!(missing, WeightsError::Missing { tensor, .. } if tensor == "nothing"));
    let outside = index(r#"{"weight_map": {"x": "../secret.safetensors"}}"#).err().unwrap();
    assert!(matches!(outside, WeightsError::ShardName { .. }));
    assert!(matches!(index("[").err().unwrap(), WeightsError::Index { .. }));
    std::fs::remove_file(at("model.safetensors.index.json")).unwrap();
    assert!(matches!(Checkpoint::open(folder.path()), Err(WeightsError::None { .. })));
}

#[test]
fn a_missing_or_misshapen_tensor_is_named() {
    let checkpoint = Checkpoint::open(&data("model.safetensors")).unwrap();
    let error = checkpoint.view("lm_head.weight", &[1]).unwrap_err().to_string();
    assert!(error.contains("has no tensor lm_head.weight"), "{error}");
    let error = checkpoint.view("embeddings.word_embeddings.weight", &[1, 2]).unwrap_err().to_string();
    assert!(error.contains("config.json says [1, 2]"), "{error}");
}
